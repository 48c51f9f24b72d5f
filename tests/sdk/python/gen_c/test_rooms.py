"""Rooms: made, shown, listed, deleted, refused."""

import pytest
from fishjam import FishjamClient, Room, RoomOptions
from fishjam.errors import BadRequestError, NotFoundError, UnauthorizedError

from gen_c.conftest import Rooms
from harness.server import Server


def test_a_room_without_options_has_the_documented_defaults(fishjam: FishjamClient) -> None:
    room = fishjam.create_room()
    config = room.config
    assert (config.max_peers, config.video_codec, config.room_type) == (0, "h264", "conference")
    assert (config.webhook_url, config.public) == (None, False)
    assert getattr(config, "batch_webhook_notifications", False) is False
    assert room.peers == []
    fishjam.delete_room(room.id)


@pytest.mark.parametrize("video_codec", ["h264", "vp8"])
def test_what_a_room_was_asked_to_be_it_is(rooms: Rooms, fishjam: FishjamClient, video_codec: str) -> None:
    hook = "http://127.0.0.1:9/hook"
    room = rooms(max_peers=10, video_codec=video_codec, webhook_url=hook, room_type="audio_only")
    config = room.config
    assert (config.max_peers, config.video_codec, config.webhook_url) == (10, video_codec, hook)
    assert config.room_type == "audio_only"
    assert fishjam.get_room(room.id) == room


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("conference", "conference"),
        ("audio_only", "audio_only"),
        ("livestream", "livestream"),
        ("audio_only_livestream", "audio_only_livestream"),
        ("full_feature", "conference"),
        ("broadcaster", "livestream"),
    ],
)
def test_every_room_type_and_its_older_name_is_known(rooms: Rooms, asked: str, answered: str) -> None:
    assert rooms(room_type=asked).config.room_type == answered


def test_a_room_is_listed_until_it_is_deleted(rooms: Rooms, fishjam: FishjamClient) -> None:
    kept, deleted = rooms(), rooms()
    assert all(room in fishjam.get_all_rooms() for room in (kept, deleted))
    assert fishjam.delete_room(deleted.id) is None
    listed = fishjam.get_all_rooms()
    assert kept in listed
    assert deleted not in listed


def test_a_room_that_is_not_there_is_not_found(fishjam: FishjamClient) -> None:
    nowhere = "515c8b52-168b-4b39-a227-4d6b4f102a56"
    for call in (fishjam.get_room, fishjam.delete_room, fishjam.create_peer):
        with pytest.raises(NotFoundError, match=f"Room {nowhere} does not exist"):
            call(nowhere)


def test_what_cannot_be_a_room_id_is_a_bad_request(fishjam: FishjamClient) -> None:
    for call in (fishjam.get_room, fishjam.delete_room):
        with pytest.raises(BadRequestError, match="Invalid room ID: no room"):
            call("no room")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_peers": "10"}, "Expected maxPeers to be a number, got: 10"),
        ({"max_peers": -1}, "Expected maxPeers to be a number, got: -1"),
        ({"webhook_url": "nonsense"}, "Expected webhookUrl to be valid URL, got: nonsense"),
    ],
)
def test_a_wrong_option_is_named(fishjam: FishjamClient, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        fishjam.create_room(RoomOptions(**options))


def test_nobody_gets_in_with_a_wrong_token(server: Server, room: Room) -> None:
    stranger = FishjamClient(server.base, "wrong")
    with pytest.raises(UnauthorizedError, match="Invalid token"):
        stranger.create_room()
    with pytest.raises(UnauthorizedError, match="Invalid token"):
        stranger.get_all_rooms()
    with pytest.raises(UnauthorizedError, match="Invalid token"):
        stranger.delete_room(room.id)
