"""Webhooks: signed, in order, tried again, and with the very messages of the socket."""

import hashlib
import hmac

import betterproto
import fishjam as sdk
import pytest
from fishjam import FishjamClient, receive_binary
from fishjam.events import (
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerDeleted,
    ServerMessagePeerDisconnected,
    ServerMessagePeerMetadataUpdated,
    ServerMessageRoomCreated,
    ServerMessageRoomDeleted,
)
from fishjam.events._protos import fishjam as protos

from gen_c.conftest import Rooms
from harness.notices import Notices
from harness.patience import eventually
from harness.peer import enter
from harness.receiver import HANGS, Receiver
from harness.server import WEBHOOK_SECRET, Server

LIFE = [
    ServerMessageRoomCreated,
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerMetadataUpdated,
    ServerMessagePeerDisconnected,
    ServerMessagePeerDeleted,
    ServerMessageRoomDeleted,
]


async def live(fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, **options: object) -> list:
    """A room and its one peer come and go; returns what the socket told of it."""
    room = rooms(**options)
    _peer, token = fishjam.create_peer(room.id)
    async with enter(server.base, token) as ann:
        await ann.join({"name": "Ann"})
        await notices.sequence(room.id, *LIFE[:4])
    await notices.sequence(room.id, *LIFE[:5])
    fishjam.delete_room(room.id)
    return await notices.sequence(room.id, *LIFE)


async def test_a_webhook_brings_what_the_socket_brings(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    told = await live(fishjam, rooms, server, notices, webhook_url=receiver.url)
    await eventually("all is delivered", lambda: len(receiver.accepted) == len(LIFE))
    assert [receive_binary(body) for body in receiver.accepted] == told
    assert {(one.path, one.content_type) for one in receiver.deliveries} == {("/hook", "application/x-protobuf")}


async def test_every_delivery_is_signed(rooms: Rooms, receiver: Receiver) -> None:
    rooms(webhook_url=receiver.url)
    [delivery] = await eventually("it is delivered", lambda: receiver.deliveries)
    signature = "sha256=" + hmac.new(WEBHOOK_SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
    assert delivery.signature == signature
    if hasattr(sdk, "verify_webhook_signature"):
        assert sdk.verify_webhook_signature(delivery.body, delivery.signature, WEBHOOK_SECRET)
        assert not sdk.verify_webhook_signature(delivery.body + b" ", delivery.signature, WEBHOOK_SECRET)
        assert not sdk.verify_webhook_signature(delivery.body, delivery.signature, "another secret")


async def test_a_receiver_that_fails_is_asked_again_and_misses_nothing(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    receiver.answers.extend([500, 503, 200, 500])
    told = await live(fishjam, rooms, server, notices, webhook_url=receiver.url)
    await eventually("all is delivered", lambda: len(receiver.accepted) == len(LIFE))
    assert [receive_binary(body) for body in receiver.accepted] == told
    first, second, third, *_ = receiver.deliveries
    assert first.body == second.body == third.body
    assert first.signature == third.signature


@pytest.mark.skipif(
    not hasattr(sdk, "decode_server_notifications"), reason="this version of the SDK does not know batches"
)
async def test_a_batch_holds_many_in_order(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    def unpacked() -> list:
        return [one for body in receiver.accepted for one in sdk.decode_server_notifications(body)]

    receiver.answers.append(500)  # So that there is something to catch up with.
    options = {"webhook_url": receiver.url, "batch_webhook_notifications": True}
    told = await live(fishjam, rooms, server, notices, **options)
    await eventually("all is delivered", lambda: len(unpacked()) == len(LIFE))
    assert unpacked() == told
    assert len(receiver.accepted) < len(LIFE)
    _name, last = betterproto.which_one_of(protos.ServerMessage().parse(receiver.accepted[-1]), "content")
    assert isinstance(last, protos.ServerMessageNotificationBatch)


async def test_a_receiver_that_hangs_delays_nobody_else(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    hanging = Receiver()
    hanging.answers.append(HANGS)
    try:
        waiting = rooms(webhook_url=hanging.url)
        await eventually("it hangs", lambda: hanging.deliveries)
        told = await live(fishjam, rooms, server, notices, webhook_url=receiver.url)
        await eventually("the other's is all delivered", lambda: len(receiver.accepted) == len(LIFE))
        assert [receive_binary(body) for body in receiver.accepted] == told

        fishjam.delete_room(waiting.id)
        assert len(hanging.deliveries) == 1
        hanging.hang_up()
        await eventually("it is asked again", lambda: len(hanging.accepted) == 2)
        told = await notices.sequence(waiting.id, ServerMessageRoomCreated, ServerMessageRoomDeleted)
        assert [receive_binary(body) for body in hanging.accepted] == told
    finally:
        hanging.stop()


async def test_a_receiver_that_is_gone_misses_nothing_when_it_returns(
    fishjam: FishjamClient, rooms: Rooms, server: Server, notices: Notices, receiver: Receiver
) -> None:
    receiver.stop()
    told = await live(fishjam, rooms, server, notices, webhook_url=receiver.url)
    returned = Receiver(receiver.port)
    try:
        await eventually("all is delivered", lambda: len(returned.accepted) == len(LIFE))
        assert [receive_binary(body) for body in returned.accepted] == told
    finally:
        returned.stop()
