"""What the notifier of the SDK hands out: which notifications, in which order, with what in them."""

import json

import pytest
from fishjam import FishjamClient, FishjamNotifier, PeerOptions, Room
from fishjam.events import (
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerDeleted,
    ServerMessagePeerDisconnected,
    ServerMessagePeerMetadataUpdated,
    ServerMessagePeerType,
    ServerMessageRoomCreated,
    ServerMessageRoomDeleted,
)

from gen_c.conftest import Rooms
from harness.notices import Notices, listening
from harness.patience import never
from harness.peer import enter
from harness.server import Server

WEBRTC = ServerMessagePeerType.PEER_TYPE_WEBRTC


async def test_a_room_comes_and_goes(fishjam: FishjamClient, rooms: Rooms, notices: Notices) -> None:
    room = rooms()
    assert await notices.sequence(room.id, ServerMessageRoomCreated) == [ServerMessageRoomCreated(room_id=room.id)]
    fishjam.delete_room(room.id)
    [_, deleted] = await notices.sequence(room.id, ServerMessageRoomCreated, ServerMessageRoomDeleted)
    assert deleted == ServerMessageRoomDeleted(room_id=room.id)


async def test_a_peer_comes_speaks_and_is_removed(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, server: Server
) -> None:
    room = rooms()
    peer, token = fishjam.create_peer(room.id, PeerOptions(metadata={"seat": 4}))
    async with enter(server.base, token) as ann:
        story = [ServerMessageRoomCreated, ServerMessagePeerAdded, ServerMessagePeerConnected]
        [_, added, connected] = await notices.sequence(room.id, *story)
        assert added == ServerMessagePeerAdded(room_id=room.id, peer_id=peer.id, peer_type=WEBRTC)
        assert connected == ServerMessagePeerConnected(room_id=room.id, peer_id=peer.id, peer_type=WEBRTC)

        await ann.join({"name": "Ann"})
        story += [ServerMessagePeerMetadataUpdated]
        updated = (await notices.sequence(room.id, *story))[-1]
        assert (updated.peer_id, updated.peer_type) == (peer.id, WEBRTC)
        assert json.loads(updated.metadata) == {"peer": {"name": "Ann"}, "server": {"seat": 4}}

        await ann.rename({"name": "Anna"})
        story += [ServerMessagePeerMetadataUpdated]
        updated = (await notices.sequence(room.id, *story))[-1]
        assert json.loads(updated.metadata)["peer"] == {"name": "Anna"}

        fishjam.delete_peer(room.id, peer.id)
        code, reason = await ann.dismissal()
        assert (code, reason) == (1000, "Peer removed")
    story += [ServerMessagePeerDisconnected, ServerMessagePeerDeleted]
    [*_, disconnected, deleted] = await notices.sequence(room.id, *story)
    assert disconnected == ServerMessagePeerDisconnected(room_id=room.id, peer_id=peer.id, peer_type=WEBRTC)
    assert deleted == ServerMessagePeerDeleted(room_id=room.id, peer_id=peer.id, peer_type=WEBRTC)


async def test_a_peer_that_hangs_up_may_come_back(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, server: Server
) -> None:
    room = rooms()
    _peer, token = fishjam.create_peer(room.id)
    story = [ServerMessageRoomCreated, ServerMessagePeerAdded]
    for _ in range(2):
        async with enter(server.base, token) as ann:
            await ann.join()
            story += [ServerMessagePeerConnected, ServerMessagePeerMetadataUpdated]
            await notices.sequence(room.id, *story)
        story += [ServerMessagePeerDisconnected]
        await notices.sequence(room.id, *story)


async def test_a_deleted_room_first_tells_of_its_peers(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices, server: Server
) -> None:
    room = rooms()
    _peer, token = fishjam.create_peer(room.id)
    async with enter(server.base, token) as ann:
        await notices.sequence(room.id, ServerMessageRoomCreated, ServerMessagePeerAdded, ServerMessagePeerConnected)
        fishjam.delete_room(room.id)
        code, reason = await ann.dismissal()
        assert (code, reason) == (1000, "Room stopped")
    await notices.sequence(
        room.id,
        ServerMessageRoomCreated,
        ServerMessagePeerAdded,
        ServerMessagePeerConnected,
        ServerMessagePeerDisconnected,
        ServerMessagePeerDeleted,
        ServerMessageRoomDeleted,
    )


async def test_someone_who_was_never_there_does_not_leave(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices
) -> None:
    room = rooms()
    fishjam.create_peer(room.id)
    fishjam.delete_room(room.id)
    await notices.sequence(
        room.id, ServerMessageRoomCreated, ServerMessagePeerAdded, ServerMessagePeerDeleted, ServerMessageRoomDeleted
    )


async def test_a_wrong_token_hears_nothing(server: Server) -> None:
    with pytest.raises(RuntimeError, match="Invalid management token"):
        async with listening(FishjamNotifier(server.base, "wrong")):
            pass


async def test_a_reading_call_is_no_news(fishjam: FishjamClient, room: Room, notices: Notices) -> None:
    fishjam.get_room(room.id)
    fishjam.get_all_rooms()
    await never("reading is told as news", lambda: notices.of(room.id))
