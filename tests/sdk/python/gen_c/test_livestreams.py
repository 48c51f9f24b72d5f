"""Livestreams: tokens of their rooms, and streams with named streamers and viewers."""

import pytest
from fishjam import FishjamClient, Room
from fishjam.errors import NotFoundError
from fishjam.events import ServerMessageRoomCreated, ServerMessageRoomDeleted

from gen_c.conftest import Rooms
from gen_c.generated import call, models
from harness.notices import Notices
from harness.peer import refused
from harness.server import Server

wrapped = pytest.mark.skipif(
    hasattr(models, "ViewerStatus"), reason="in this version of the SDK streams come bare, and tokens wrapped"
)


@pytest.mark.parametrize("room_type", ["livestream", "audio_only_livestream"])
def test_a_livestream_hands_out_tokens(fishjam: FishjamClient, rooms: Rooms, room_type: str) -> None:
    room = rooms(room_type=room_type, public=True)
    assert room.config.public
    tokens = [
        fishjam.create_livestream_streamer_token(room.id),
        fishjam.create_livestream_viewer_token(room.id),
        fishjam.create_livestream_viewer_token(room.id),
    ]
    assert all(isinstance(token, str) and token for token in tokens)
    assert len(set(tokens)) == 3


def test_a_conference_has_no_streamers_and_no_viewers(fishjam: FishjamClient, room: Room) -> None:
    for token_of in (fishjam.create_livestream_streamer_token, fishjam.create_livestream_viewer_token):
        with pytest.raises(NotFoundError):
            token_of(room.id)


def test_a_room_that_is_not_there_has_none_either(fishjam: FishjamClient) -> None:
    for token_of in (fishjam.create_livestream_streamer_token, fishjam.create_livestream_viewer_token):
        with pytest.raises(NotFoundError, match="Room nowhere does not exist"):
            token_of("nowhere")


@pytest.mark.skipif(
    not hasattr(FishjamClient, "livestream_whip_url"), reason="this version of the SDK does not know these addresses"
)
def test_the_addresses_of_media_are_at_the_servers_origin(fishjam: FishjamClient, server: Server) -> None:
    assert fishjam.livestream_whip_url() == f"{server.origin}/api/v1/live/api/whip"
    assert fishjam.livestream_whep_url() == f"{server.origin}/api/v1/live/api/whep"


async def test_who_only_got_a_token_is_not_told_of(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices
) -> None:
    """Who streams and who watches is no peer, and none of their tokens opens a peer's socket."""
    room = rooms(room_type="livestream")
    tokens = fishjam.create_livestream_streamer_token(room.id), fishjam.create_livestream_viewer_token(room.id)
    for token in tokens:
        assert await refused(server.base, token) == (1000, "invalid token")
    assert fishjam.get_room(room.id).peers == []
    fishjam.delete_room(room.id)
    await notices.sequence(room.id, ServerMessageRoomCreated, ServerMessageRoomDeleted)


@wrapped
def test_a_stream_lives_from_post_to_delete(fishjam: FishjamClient) -> None:
    """No façade of the SDK offers this and what follows, but its generated client does."""
    created = call("stream", "create_stream", fishjam, body=models.StreamConfig(public=True))
    stream = created.parsed.data
    assert (created.status_code, stream.public, stream.streamers, stream.viewers) == (201, True, [], [])
    assert call("stream", "get_stream", fishjam, stream.id).parsed.data == stream
    assert stream in call("stream", "get_all_streams", fishjam).parsed.data
    assert call("stream", "delete_stream", fishjam, stream.id).status_code == 204
    assert stream not in call("stream", "get_all_streams", fishjam).parsed.data
    assert call("stream", "get_stream", fishjam, stream.id).status_code == 404
    assert call("stream", "delete_stream", fishjam, stream.id).status_code == 404


@wrapped
@pytest.mark.parametrize("role", ["streamer", "viewer"])
def test_a_stream_knows_who_streams_and_who_views(fishjam: FishjamClient, role: str) -> None:
    stream = call("stream", "create_stream", fishjam, body=models.StreamConfig()).parsed.data.id
    created = call(role, f"create_{role}", fishjam, stream)
    one = created.parsed.data
    assert created.status_code == 201
    assert one.id
    assert one.token
    shown = call("stream", "get_stream", fishjam, stream).parsed.data
    assert [someone.id for someone in getattr(shown, f"{role}s")] == [one.id]
    assert call(role, f"delete_{role}", fishjam, stream, one.id).status_code == 204
    shown = call("stream", "get_stream", fishjam, stream).parsed.data
    assert getattr(shown, f"{role}s") == []
    assert call(role, f"delete_{role}", fishjam, stream, one.id).status_code == 404
    assert call("stream", "delete_stream", fishjam, stream).status_code == 204
    assert call(role, f"create_{role}", fishjam, stream).status_code == 404
