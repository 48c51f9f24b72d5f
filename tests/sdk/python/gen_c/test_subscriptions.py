"""Manual subscriptions: a peer gets what its back end chooses for it."""

from typing import Any

import pytest
from fishjam import FishjamClient, PeerOptions, Room
from fishjam.errors import BadRequestError, NotFoundError

from harness.browser import Page, Pages
from harness.patience import eventually, never
from harness.server import Server

NOBODY = "9a4c1e0e-0f0c-4f5e-8f8c-3c1d7a0f5b11"


def subscriptions(fishjam: FishjamClient, room: Room, peer_id: str) -> dict[str, Any]:
    [shown] = [peer for peer in fishjam.get_room(room.id).peers if peer.id == peer_id]
    return shown.subscriptions.to_dict()


async def ready(page: Page) -> set[str]:
    return {track["id"] for track in await page.tracks() if track["ready"]}


async def test_a_peer_gets_what_its_back_end_chooses(
    fishjam: FishjamClient, room: Room, pages: Pages, server: Server
) -> None:
    (ann_peer, ann_token), (bob_peer, bob_token) = (
        fishjam.create_peer(room.id),
        fishjam.create_peer(room.id, PeerOptions(subscribe_mode="manual")),
    )
    ann, bob = await pages(), await pages()
    await ann.join(server.base, ann_token)
    await bob.join(server.base, bob_token)
    camera, microphone = await ann.publish_camera(), await ann.publish_tone(440)
    await never("bob gets what nobody chose for him", bob.tracks)

    fishjam.subscribe_tracks(room.id, bob_peer.id, [microphone])
    assert subscriptions(fishjam, room, bob_peer.id) == {"peers": [], "tracks": [microphone]}
    await eventually("bob gets the microphone", lambda: ready(bob))
    assert await ready(bob) == {microphone}

    fishjam.subscribe_peer(room.id, bob_peer.id, ann_peer.id)
    assert subscriptions(fishjam, room, bob_peer.id) == {"peers": [ann_peer.id], "tracks": [microphone]}

    async def both() -> bool:
        return await ready(bob) == {microphone, camera}

    await eventually("bob gets everything of ann", both)


def test_the_choice_may_come_before_the_peers(fishjam: FishjamClient, room: Room) -> None:
    ann, _token = fishjam.create_peer(room.id)
    bob, _token = fishjam.create_peer(room.id, PeerOptions(subscribe_mode="manual"))
    assert fishjam.subscribe_peer(room.id, bob.id, ann.id) is None
    assert subscriptions(fishjam, room, bob.id) == {"peers": [ann.id], "tracks": []}


def test_what_is_not_there_cannot_be_chosen(fishjam: FishjamClient, room: Room) -> None:
    bob, _token = fishjam.create_peer(room.id, PeerOptions(subscribe_mode="manual"))
    for call in (
        lambda: fishjam.subscribe_peer("nowhere", bob.id, NOBODY),
        lambda: fishjam.subscribe_peer(room.id, NOBODY, bob.id),
        lambda: fishjam.subscribe_peer(room.id, bob.id, NOBODY),
        lambda: fishjam.subscribe_tracks("nowhere", bob.id, []),
        lambda: fishjam.subscribe_tracks(room.id, NOBODY, []),
        lambda: fishjam.subscribe_tracks(room.id, bob.id, ["no-track"]),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_what_makes_no_sense_cannot_be_chosen(fishjam: FishjamClient, room: Room) -> None:
    ann, _token = fishjam.create_peer(room.id)
    bob, _token = fishjam.create_peer(room.id, PeerOptions(subscribe_mode="manual"))
    with pytest.raises(BadRequestError, match="A peer cannot subscribe to itself"):
        fishjam.subscribe_peer(room.id, bob.id, bob.id)
    for call in (fishjam.subscribe_peer, fishjam.subscribe_tracks):
        with pytest.raises(BadRequestError, match=f"Peer {ann.id} does not have the subscribe mode 'manual'"):
            call(room.id, ann.id, bob.id if call == fishjam.subscribe_peer else [])
