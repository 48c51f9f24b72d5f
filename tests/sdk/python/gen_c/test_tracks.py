"""What a back end hears of tracks, data channels and voices. The peers are real browsers."""

import asyncio
import json

import pytest
import websockets
from fishjam import FishjamClient, events
from fishjam.events import (
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerDisconnected,
    ServerMessagePeerMetadataUpdated,
    ServerMessageRoomCreated,
    ServerMessageTrackAdded,
    ServerMessageTrackMetadataUpdated,
    ServerMessageTrackRemoved,
    TrackType,
)
from fishjam.events._protos import fishjam as protos

from gen_c.conftest import Rooms
from harness.browser import Pages
from harness.notices import Notices
from harness.patience import PATIENCE_S, eventually
from harness.server import MANAGEMENT_TOKEN, Server

JOINED = [
    ServerMessageRoomCreated,
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerMetadataUpdated,
]
CAMERA = {"type": "camera", "paused": False}


async def test_a_track_comes_changes_and_goes(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, pages: Pages, server: Server
) -> None:
    room = rooms()
    peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    await ann.join(server.base, token, {"name": "Ann"})
    camera = await ann.publish_camera()
    story = [*JOINED, ServerMessageTrackAdded]
    added = (await notices.sequence(room.id, *story))[-1]
    assert (added.peer_id, added.track.id, added.track.type) == (peer.id, camera, TrackType.TRACK_TYPE_VIDEO)
    assert json.loads(added.track.metadata) == CAMERA
    [shown] = fishjam.get_room(room.id).peers[0].tracks
    assert (shown.id, shown.type_, shown.metadata.to_dict()) == (camera, "video", CAMERA)

    await ann.update_track(camera, CAMERA | {"paused": True})
    story += [ServerMessageTrackMetadataUpdated]
    updated = (await notices.sequence(room.id, *story))[-1]
    assert (updated.track.id, json.loads(updated.track.metadata)) == (camera, CAMERA | {"paused": True})

    await ann.remove_track(camera)
    story += [ServerMessageTrackRemoved]
    removed = (await notices.sequence(room.id, *story))[-1]
    assert (removed.peer_id, removed.track.id) == (peer.id, camera)
    assert fishjam.get_room(room.id).peers[0].tracks == []


async def test_who_leaves_takes_the_tracks_along_first(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, pages: Pages, server: Server
) -> None:
    room = rooms()
    _peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    await ann.join(server.base, token)
    published = {await ann.publish_camera(), await ann.publish_tone(440)}
    story = [*JOINED, ServerMessageTrackAdded, ServerMessageTrackAdded]
    told = await notices.sequence(room.id, *story)
    assert {one.track.id for one in told[-2:]} == published
    assert {one.track.type for one in told[-2:]} == {TrackType.TRACK_TYPE_AUDIO, TrackType.TRACK_TYPE_VIDEO}

    await ann.close()
    story += [ServerMessageTrackRemoved, ServerMessageTrackRemoved, ServerMessagePeerDisconnected]
    told = await notices.sequence(room.id, *story)
    assert {one.track.id for one in told[-3:-1]} == published


@pytest.mark.skipif(
    not hasattr(events, "ServerMessageChannelAdded"), reason="this version of the SDK does not know data channels"
)
async def test_data_channels_are_told_of(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, pages: Pages, server: Server
) -> None:
    room = rooms()
    peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    await ann.join(server.base, token)
    await ann.open_channels()
    story = [*JOINED, events.ServerMessageChannelAdded, events.ServerMessageChannelAdded]
    opened = (await notices.sequence(room.id, *story))[-2:]
    assert {one.peer_id for one in opened} == {peer.id}
    assert len({one.channel_id for one in opened}) == 2

    await ann.close()
    removed = events.ServerMessageChannelRemoved
    told = await notices.sequence(room.id, *story, removed, removed, ServerMessagePeerDisconnected)
    assert {one.channel_id for one in told[-3:-1]} == {one.channel_id for one in opened}


@pytest.mark.skipif(
    not hasattr(protos, "ServerMessageVadNotification"), reason="this version of the SDK does not know voices"
)
async def test_voices_are_told_of(fishjam: FishjamClient, rooms: Rooms, pages: Pages, server: Server) -> None:
    """The SDK's notifier does not hand these out, but its messages know them."""
    room = rooms()
    peer, token = fishjam.create_peer(room.id)
    url = server.base.replace("http", "ws", 1) + "/socket/server/websocket"
    async with websockets.connect(url) as socket:
        auth = protos.ServerMessageAuthRequest(token=MANAGEMENT_TOKEN)
        wish = protos.ServerMessageSubscribeRequest(protos.ServerMessageEventType.EVENT_TYPE_SERVER_NOTIFICATION)
        await socket.send(bytes(protos.ServerMessage(auth_request=auth)))
        await socket.send(bytes(protos.ServerMessage(subscribe_request=wish)))

        async def next_voice() -> protos.ServerMessageVadNotification | None:
            frame = await asyncio.wait_for(socket.recv(), PATIENCE_S)
            voice = protos.ServerMessage().parse(frame).vad_notification
            return voice if voice.room_id == room.id else None

        ann = await pages()
        await ann.join(server.base, token)
        microphone = await ann.publish_tone(440)
        speech = await eventually("she is heard", next_voice)
        assert (speech.peer_id, speech.track_id) == (peer.id, microphone)
        assert speech.status == protos.ServerMessageVadNotificationStatus.STATUS_SPEECH
        await ann.remove_track(microphone)
        silence = await eventually("she is silent", next_voice)
        assert silence.status == protos.ServerMessageVadNotificationStatus.STATUS_SILENCE
