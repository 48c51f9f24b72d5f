"""What the older notifiers hand out, and the webhooks of that time."""

import json
from typing import Any

import betterproto
import pytest

from gen_b.conftest import LIFE, Rooms, events, sdk
from harness.browser import Pages
from harness.notices import Notices, listening
from harness.patience import eventually
from harness.peer import enter
from harness.receiver import Receiver
from harness.server import MANAGEMENT_TOKEN, Server


async def live(api: Any, rooms: Rooms, server: Server, notices: Notices, **options: Any) -> tuple[str, str]:
    """A room and its one peer come, speak, and are removed."""
    room = rooms(**options)
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    async with enter(server.origin, added.token) as ann:
        await ann.join({"name": "Ann"})
        await notices.sequence(room.id, *LIFE[:4])
        api.delete_peer(room.id, added.peer.id)
        assert await ann.dismissal() == (1000, "Peer removed")
    api.delete_room(room.id)
    return room.id, added.peer.id


async def test_a_room_and_its_peer_come_and_go(api: Any, rooms: Rooms, server: Server, notices: Notices) -> None:
    room, peer = await live(api, rooms, server, notices)
    told = await notices.sequence(room, *LIFE)
    assert {getattr(one, "peer_id", peer) for one in told} == {peer}
    assert json.loads(told[3].metadata)


async def test_a_deleted_room_first_tells_of_its_peers(
    api: Any, rooms: Rooms, server: Server, notices: Notices
) -> None:
    room = rooms()
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    async with enter(server.origin, added.token) as ann:
        await notices.sequence(room.id, *LIFE[:3])
        api.delete_room(room.id)
        assert await ann.dismissal() == (1000, "Room stopped")
    await notices.sequence(room.id, *LIFE[:3], *LIFE[4:])


async def test_tracks_come_change_and_go_before_their_peer(
    api: Any, rooms: Rooms, server: Server, notices: Notices, pages: Pages
) -> None:
    """The peer is a current client: the older ones speak another language of signals."""
    room = rooms()
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    ann = await pages()
    await ann.join(server.origin, added.token)
    microphone = await ann.publish_tone(440)
    story = [*LIFE[:4], events.ServerMessageTrackAdded]
    told = (await notices.sequence(room.id, *story))[-1]
    assert (told.peer_id, told.track.id, told.track.type) == (
        added.peer.id,
        microphone,
        events.ServerMessageTrackType.TRACK_TYPE_AUDIO,
    )
    assert json.loads(told.track.metadata) == {"type": "microphone", "paused": False}
    [shown] = api.get_room(room.id).peers[0].tracks
    assert (shown.id, shown.type, shown.metadata) == (microphone, "audio", {"type": "microphone", "paused": False})

    await ann.update_track(microphone, {"type": "microphone", "paused": True})
    story += [events.ServerMessageTrackMetadataUpdated]
    told = (await notices.sequence(room.id, *story))[-1]
    assert json.loads(told.track.metadata)["paused"] is True

    api.delete_room(room.id)
    story += [events.ServerMessageTrackRemoved, *LIFE[4:]]
    removed = (await notices.sequence(room.id, *story))[len(LIFE[:4]) + 2]
    assert (removed.peer_id, removed.track.id) == (added.peer.id, microphone)


async def test_a_wrong_token_hears_nothing(server: Server) -> None:
    with pytest.raises(RuntimeError, match="Invalid server_api_token"):
        async with listening(sdk.Notifier(server.address, "wrong")):
            pass


async def test_metrics_come_by_themselves(server: Server, room: Any) -> None:
    notifier = sdk.Notifier(server.address, MANAGEMENT_TOKEN)
    async with listening(notifier, "on_server_notification", "on_metrics") as notices:
        [first, *_] = await eventually(
            "two reports come", lambda: (found := notices.of_kind(events.ServerMessageMetricsReport))[1:] and found
        )
    report = json.loads(first.metrics)
    assert report["rooms"] >= 1
    assert report["workers"]


async def test_a_webhook_brings_what_the_socket_brings(
    api: Any, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    room, _peer = await live(api, rooms, server, notices, webhook_url=receiver.url)
    told = await notices.sequence(room, *LIFE)
    await eventually("all is delivered", lambda: len(receiver.accepted) == len(LIFE))
    assert [sdk.receive_binary(body) for body in receiver.accepted] == told
    assert {delivery.content_type for delivery in receiver.deliveries} == {"application/x-protobuf"}
    assert isinstance(told[0], betterproto.Message)


async def test_a_receiver_that_fails_is_asked_again_and_misses_nothing(
    api: Any, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    receiver.answers.extend([500, 503, 200, 500])
    room, _peer = await live(api, rooms, server, notices, webhook_url=receiver.url)
    told = await notices.sequence(room, *LIFE)
    await eventually("all is delivered", lambda: len(receiver.accepted) == len(LIFE))
    assert [sdk.receive_binary(body) for body in receiver.accepted] == told
