"""Rooms of the older API: made, shown, listed, purged, deleted, and refused in its literal words."""

import asyncio
import json
import re
from typing import Any

import pytest

from gen_b.conftest import LIFE, Rooms, errors, generated, sdk
from harness.notices import Notices
from harness.patience import eventually
from harness.peer import enter
from harness.server import MANAGEMENT_TOKEN, Server


def test_a_room_without_options_has_all_keys_and_no_more(api: Any, server: Server) -> None:
    address, room = api.create_room()
    assert address == server.address
    config = sdk.RoomConfig(
        room_id=room.id,
        max_peers=None,
        video_codec=None,
        webhook_url=None,
        peerless_purge_timeout=None,
        peer_disconnected_timeout=None,
    )
    assert room == sdk.Room(id=room.id, config=config, components=[], peers=[])
    assert api.get_room(room.id) == room
    api.delete_room(room.id)


@pytest.mark.parametrize("video_codec", ["h264", "vp8"])
def test_what_a_room_was_asked_to_be_it_is(rooms: Rooms, api: Any, video_codec: str) -> None:
    hook = "http://127.0.0.1:9/hook"
    room = rooms(
        room_id=f"my-{video_codec}_room",
        max_peers=7,
        video_codec=video_codec,
        webhook_url=hook,
        peerless_purge_timeout=60,
        peer_disconnected_timeout=30,
    )
    config = room.config
    assert (room.id, config.room_id, config.max_peers) == (f"my-{video_codec}_room", room.id, 7)
    assert (config.video_codec, config.webhook_url) == (video_codec, hook)
    assert (config.peerless_purge_timeout, config.peer_disconnected_timeout) == (60, 30)
    assert api.get_room(room.id) == room


def test_a_room_is_listed_until_it_is_deleted(rooms: Rooms, api: Any) -> None:
    kept, deleted = rooms(), rooms()
    assert all(room in api.get_all_rooms() for room in (kept, deleted))
    api.delete_room(deleted.id)
    listed = api.get_all_rooms()
    assert kept in listed
    assert deleted not in listed


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_peers": "x"}, "Expected maxPeers to be a number, got: x"),
        ({"webhook_url": "nonsense"}, "Expected webhookUrl to be valid URL, got: nonsense"),
        ({"peerless_purge_timeout": 0}, "Expected peerlessPurgeTimeout to be a positive integer, got: 0"),
        ({"peer_disconnected_timeout": -5}, "Expected peerDisconnectedTimeout to be a positive integer, got: -5"),
        (
            {"room_id": "no room"},
            'Cannot add room with id "no room" - roomId may contain only alphanumeric characters, hyphens and '
            "underscores",
        ),
    ],
)
def test_a_wrong_option_is_named(api: Any, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(errors.BadRequestError, match=re.escape(complaint)):
        api.create_room(**options)


def test_a_wrong_codec_is_named(server: Server) -> None:
    """The SDK itself refuses to send one, its generated client does not."""
    body = generated("models").RoomConfig.from_dict({})
    body["videoCodec"] = "h420"
    client = sdk.RoomApi(server.address, MANAGEMENT_TOKEN).client
    answer = generated("api.room.create_room").sync_detailed(client=client, json_body=body)
    assert answer.status_code == 400
    assert answer.parsed.errors == "Expected videoCodec to be 'h264' or 'vp8', got: h420"


def test_an_id_that_is_taken_is_refused(rooms: Rooms, api: Any) -> None:
    rooms(room_id="taken")
    with pytest.raises(errors.BadRequestError, match='Cannot add room with id "taken" - room already exists'):
        api.create_room(room_id="taken")


def test_a_room_that_is_not_there_is_not_found(api: Any) -> None:
    for call in (api.get_room, api.delete_room):
        with pytest.raises(errors.NotFoundError, match="Room nowhere does not exist"):
            call("nowhere")


def test_nobody_gets_in_with_a_wrong_token(server: Server, room: Any) -> None:
    stranger = sdk.RoomApi(server.address, "wrong")
    for call in (stranger.create_room, stranger.get_all_rooms, lambda: stranger.delete_room(room.id)):
        with pytest.raises(errors.UnauthorizedError, match="Invalid token"):
            call()


async def test_a_room_that_everybody_left_is_purged(rooms: Rooms, api: Any, server: Server, notices: Notices) -> None:
    room = rooms(peerless_purge_timeout=1)
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    async with enter(server.origin, added.token) as ann:
        await ann.join()
        await asyncio.sleep(1.5)  # Longer than the time after which it would be purged.
        assert api.get_room(room.id).peers
        api.delete_peer(room.id, added.peer.id)
    await eventually("the room is purged", lambda: room.id not in [one.id for one in api.get_all_rooms()])
    await notices.sequence(room.id, *LIFE)


async def test_a_peer_that_stays_away_is_removed(rooms: Rooms, api: Any, server: Server, notices: Notices) -> None:
    room = rooms(peer_disconnected_timeout=1)
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    async with enter(server.origin, added.token) as ann:
        await ann.join()
    await notices.sequence(room.id, *LIFE[:-1])
    assert api.get_room(room.id).peers == []


def test_the_server_is_healthy(api: Any) -> None:
    answer = generated("api.health.healthcheck").sync_detailed(client=api.client)
    assert answer.status_code == 200
    report = answer.parsed.data
    assert report.status == "UP"
    assert report.uptime >= 0
    assert report.version
    assert json.dumps(report.to_dict())
