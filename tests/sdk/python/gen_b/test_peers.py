"""Peers of the older API."""

from typing import Any

import pytest

from gen_b.conftest import Rooms, base, errors, generated, sdk
from harness.patience import eventually
from harness.peer import enter
from harness.server import Server

NOBODY = "9a4c1e0e-0f0c-4f5e-8f8c-3c1d7a0f5b11"


@pytest.mark.parametrize("simulcast", [True, False])
def test_a_new_peer_has_all_keys_and_no_more(api: Any, room: Any, server: Server, simulcast: bool) -> None:
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC(enable_simulcast=simulcast))
    status = sdk.PeerStatus.DISCONNECTED
    assert added.peer == sdk.Peer(id=added.peer.id, type="webrtc", status=status, tracks=[], metadata=None)
    assert added.token
    assert added.peer_websocket_url == f"{server.address}/socket/peer/websocket"
    assert api.get_room(room.id).peers == [added.peer]


async def test_a_peer_comes_with_the_address_and_the_token_of_the_answer(api: Any, room: Any) -> None:
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())

    def seen() -> tuple[str, object]:
        [shown] = api.get_room(room.id).peers
        return shown.status, shown.metadata

    async with enter(base(added.peer_websocket_url), added.token) as ann:
        assert await ann.join({"name": "Ann"}) == added.peer.id
        await eventually("she is shown, in her own words", lambda: seen() == ("connected", {"name": "Ann"}))
    await eventually("she is shown as gone", lambda: seen()[0] == "disconnected")


def test_a_full_room_is_unavailable(api: Any, rooms: Rooms) -> None:
    room = rooms(max_peers=1)
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    with pytest.raises(errors.ServiceUnavailableError, match=f"Reached webrtc peers limit in room {room.id}"):
        api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    api.delete_peer(room.id, added.peer.id)
    api.add_peer(room.id, sdk.PeerOptionsWebRTC())


def test_a_removed_peer_is_gone(api: Any, room: Any) -> None:
    added = api.add_peer(room.id, sdk.PeerOptionsWebRTC())
    api.delete_peer(room.id, added.peer.id)
    assert api.get_room(room.id).peers == []
    with pytest.raises(errors.NotFoundError, match=f"Peer {added.peer.id} does not exist"):
        api.delete_peer(room.id, added.peer.id)


def test_what_is_not_there_is_not_found(api: Any, room: Any) -> None:
    with pytest.raises(errors.NotFoundError, match=f"Peer {NOBODY} does not exist"):
        api.delete_peer(room.id, NOBODY)
    with pytest.raises(errors.NotFoundError, match="Room nowhere does not exist"):
        api.add_peer("nowhere", sdk.PeerOptionsWebRTC())


def test_an_unknown_kind_of_peer_is_refused(api: Any, room: Any) -> None:
    body = generated("models").AddPeerJsonBody(type="robot", options=sdk.PeerOptionsWebRTC())
    answer = generated("api.room.add_peer").sync_detailed(room.id, client=api.client, json_body=body)
    assert (answer.status_code, answer.parsed.errors) == (400, "Invalid peer type")
