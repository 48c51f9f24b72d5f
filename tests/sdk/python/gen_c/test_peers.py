"""Peers: added, shown, renewed, removed, refused."""

import pytest
from fishjam import FishjamClient, Peer, PeerOptions, Room
from fishjam.errors import ConflictError, NotFoundError

from gen_c.conftest import Rooms
from harness.patience import eventually
from harness.peer import enter
from harness.server import Server

NOBODY = "9a4c1e0e-0f0c-4f5e-8f8c-3c1d7a0f5b11"


def fresh(peer_id: str, server_metadata: dict[str, object], mode: str = "auto") -> Peer:
    """Exactly these keys: the SDK compares peers with all their keys."""
    return Peer.from_dict(
        {
            "id": peer_id,
            "type": "webrtc",
            "status": "disconnected",
            "tracks": [],
            "metadata": {"peer": {}, "server": server_metadata},
            "subscribeMode": mode,
            "subscriptions": {"peers": [], "tracks": []},
        }
    )


@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_a_new_peer_is_what_it_was_asked_to_be_and_nothing_else(fishjam: FishjamClient, room: Room, mode: str) -> None:
    metadata = {"name": "Ann", "deep": {"list": [1, None, True]}}
    peer, token = fishjam.create_peer(room.id, PeerOptions(metadata=metadata, subscribe_mode=mode))
    assert peer == fresh(peer.id, metadata, mode)
    assert token
    assert fishjam.get_room(room.id).peers == [peer]


def test_a_peer_needs_no_options(fishjam: FishjamClient, room: Room) -> None:
    peer, _token = fishjam.create_peer(room.id)
    assert peer == fresh(peer.id, {})


def test_a_full_room_is_a_conflict(fishjam: FishjamClient, rooms: Rooms) -> None:
    room = rooms(max_peers=1)
    peer, _token = fishjam.create_peer(room.id)
    with pytest.raises(ConflictError, match=f"Reached peers limit in room {room.id}"):
        fishjam.create_peer(room.id)
    fishjam.delete_peer(room.id, peer.id)
    fishjam.create_peer(room.id)


def test_a_removed_peer_is_gone(fishjam: FishjamClient, room: Room) -> None:
    peer, _token = fishjam.create_peer(room.id)
    assert fishjam.delete_peer(room.id, peer.id) is None
    assert fishjam.get_room(room.id).peers == []
    with pytest.raises(NotFoundError, match=f"Peer {peer.id} does not exist"):
        fishjam.delete_peer(room.id, peer.id)


def test_a_peer_that_is_not_there_is_not_found(fishjam: FishjamClient, room: Room) -> None:
    for call in (fishjam.delete_peer, fishjam.refresh_peer_token):
        with pytest.raises(NotFoundError, match=f"Peer {NOBODY} does not exist"):
            call(room.id, NOBODY)


async def test_both_tokens_of_a_peer_open_the_door(fishjam: FishjamClient, room: Room, server: Server) -> None:
    peer, token = fishjam.create_peer(room.id)
    renewed = fishjam.refresh_peer_token(room.id, peer.id)
    assert renewed != token
    for one in (token, renewed):
        async with enter(server.base, one) as ann:
            assert await ann.join() == peer.id


async def test_a_room_shows_who_is_there_and_what_they_say_of_themselves(
    fishjam: FishjamClient, room: Room, server: Server
) -> None:
    peer, token = fishjam.create_peer(room.id, PeerOptions(metadata={"seat": 4}))

    def seen() -> tuple[str, dict[str, object]]:
        [shown] = fishjam.get_room(room.id).peers
        assert shown.metadata
        return shown.status, shown.metadata.to_dict()

    async with enter(server.base, token) as ann:
        await ann.join({"name": "Ann"})
        there = ("connected", {"peer": {"name": "Ann"}, "server": {"seat": 4}})
        await eventually("she is shown as connected", lambda: seen() == there)
        await ann.rename({"name": "Anna"})
        await eventually("her new name is shown", lambda: seen()[1]["peer"] == {"name": "Anna"})
    await eventually("she is shown as gone", lambda: seen()[0] == "disconnected")
    assert peer.id
