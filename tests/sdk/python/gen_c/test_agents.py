"""Agents: peers without a browser, that hear and speak PCM."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fishjam import AgentOptions, AgentOutputOptions, FishjamClient, Room
from fishjam.agent import AgentAuthError, OutgoingAudioTrackOptions
from fishjam.agent.agent import Agent
from fishjam.events import (
    ServerMessagePeerAdded,
    ServerMessagePeerConnected,
    ServerMessagePeerDeleted,
    ServerMessagePeerDisconnected,
    ServerMessagePeerMetadataUpdated,
    ServerMessagePeerType,
    ServerMessageRoomCreated,
    ServerMessageTrackAdded,
    TrackEncoding,
    TrackType,
)

from gen_c.conftest import Rooms
from harness.browser import Page, Pages
from harness.notices import Notices
from harness.patience import PATIENCE_S, eventually
from harness.server import Server
from harness.tone import share, tone

AGENT = ServerMessagePeerType.PEER_TYPE_AGENT
RATES = [16_000, 24_000]

CHUNK_S = 0.02
"""As a model speaks: in small pieces."""

LISTEN_S = 0.4
"""How much sound is looked at for a tone: a line of the spectrum is then 2.5 Hz wide."""

PURE = 0.8
"""Share of the energy that an encoder leaves to a tone, at least."""

NEAR_HZ = 15
"""A browser's spectrum has lines 6 Hz wide."""


async def test_the_ears_of_these_tests_work(fishjam: FishjamClient, room: Room, pages: Pages, server: Server) -> None:
    """From one browser to the other, so that a silent agent is the agent's silence."""
    ann, bob = await pages(), await pages()
    for page in (ann, bob):
        _peer, token = fishjam.create_peer(room.id)
        await page.join(server.base, token)
    microphone = await ann.publish_tone(440)
    await eventually("bob hears ann's tone", lambda: hears(bob, microphone, 440))


def test_a_new_agent_is_a_peer(fishjam: FishjamClient, room: Room) -> None:
    agent = fishjam.create_agent(room.id)
    [shown] = fishjam.get_room(room.id).peers
    assert (shown.id, shown.type_, shown.status, shown.tracks) == (agent.id, "agent", "disconnected", [])
    fishjam.delete_peer(room.id, agent.id)
    assert fishjam.get_room(room.id).peers == []


async def test_an_agent_comes_and_goes(fishjam: FishjamClient, rooms: Rooms, notices: Notices) -> None:
    room = rooms()
    agent = fishjam.create_agent(room.id)
    story = [
        ServerMessageRoomCreated,
        ServerMessagePeerAdded,
        ServerMessagePeerConnected,
        ServerMessagePeerMetadataUpdated,
    ]
    async with agent.connect():
        told = await notices.sequence(room.id, *story)
        assert {(one.peer_id, one.peer_type) for one in told[1:]} == {(agent.id, AGENT)}
        assert fishjam.get_room(room.id).peers[0].status == "connected"
    story += [ServerMessagePeerDisconnected]
    await notices.sequence(room.id, *story)
    fishjam.delete_peer(room.id, agent.id)
    await notices.sequence(room.id, *story, ServerMessagePeerDeleted)


async def test_a_wrong_token_is_told_so(fishjam: FishjamClient, room: Room, server: Server) -> None:
    stranger = Agent("stranger", room.id, "wrong", server.base)
    with pytest.raises(AgentAuthError, match="invalid token"):
        async with stranger.connect():
            pass


async def test_a_removed_agent_is_sent_away(fishjam: FishjamClient, room: Room) -> None:
    agent = fishjam.create_agent(room.id)
    async with agent.connect() as session:
        fishjam.delete_peer(room.id, agent.id)
        with pytest.raises(Exception, match="Peer removed"):
            async for _message in session.receive():
                pass


@pytest.mark.parametrize("rate", RATES)
async def test_an_agent_hears_a_browser(
    fishjam: FishjamClient, room: Room, pages: Pages, server: Server, rate: Any
) -> None:
    agent = fishjam.create_agent(room.id, AgentOptions(AgentOutputOptions(audio_sample_rate=rate)))
    peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    async with agent.connect() as session:
        await ann.join(server.base, token)
        microphone = await ann.publish_tone(440)
        heard = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            async for message in session.receive():
                assert (message.peer_id, message.track.id) == (peer.id, microphone)
                assert message.track.type == TrackType.TRACK_TYPE_AUDIO
                heard += message.data
                latest = bytes(heard[-round(LISTEN_S * rate) * 2 :])
                if len(heard) > 2 * len(latest) and share(latest, 440, rate) > PURE:
                    break
    assert share(latest, 880, rate) < 1 - PURE


async def hears(page: Page, track: str, hz: float) -> bool:
    heard = await page.heard(track)
    return heard is not None and abs(heard - hz) < NEAR_HZ


@asynccontextmanager
async def speaking(track: Any, hz: float, rate: int) -> AsyncIterator[None]:
    """Sends a tone in real time, a little ahead of it."""

    async def speak() -> None:
        clock = asyncio.get_running_loop().time
        began, said = clock(), 0.0
        while True:
            await track.send_chunk(tone(hz, rate, CHUNK_S, said))
            said += CHUNK_S
            await asyncio.sleep(max(0.0, began + said - clock() - 3 * CHUNK_S))

    voice = asyncio.create_task(speak())
    try:
        yield
    finally:
        voice.cancel()
        await asyncio.gather(voice, return_exceptions=True)


@pytest.mark.parametrize("rate", RATES)
async def test_a_browser_hears_an_agent(
    fishjam: FishjamClient, rooms: Rooms, pages: Pages, server: Server, notices: Notices, rate: Any
) -> None:
    room = rooms()
    agent = fishjam.create_agent(room.id)
    _peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    await ann.join(server.base, token)
    async with agent.connect() as session:
        options = OutgoingAudioTrackOptions(
            encoding=TrackEncoding.TRACK_ENCODING_PCM16, sample_rate=rate, channels=1, metadata={"type": "customAudio"}
        )
        track = await session.add_track(options)
        added = await eventually("it is told", lambda: notices.of_kind(ServerMessageTrackAdded))
        assert (added[0].peer_id, added[0].track.type) == (agent.id, TrackType.TRACK_TYPE_AUDIO)
        await eventually("ann gets the track", ann.tracks)
        [shown] = await ann.tracks()
        async with speaking(track, 1_000, rate):
            await eventually("ann hears the agent's tone", lambda: hears(ann, shown["id"], 1_000))
        assert (shown["peer"], shown["metadata"]) == (agent.id, {"type": "customAudio"})
        assert [one.type_ for one in fishjam.get_room(room.id).peers if one.tracks] == ["agent"]


async def test_an_interrupted_agent_is_silent_at_once(
    fishjam: FishjamClient, room: Room, pages: Pages, server: Server
) -> None:
    agent = fishjam.create_agent(room.id)
    _peer, token = fishjam.create_peer(room.id)
    ann = await pages()
    await ann.join(server.base, token)
    async with agent.connect() as session:
        track = await session.add_track(OutgoingAudioTrackOptions(encoding=TrackEncoding.TRACK_ENCODING_PCM16))
        for second in range(8):
            await track.send_chunk(tone(1_000, 16_000, 1.0, second))

        await eventually("ann gets the track", ann.tracks)
        [shown] = await ann.tracks()
        await eventually("ann hears it", lambda: hears(ann, shown["id"], 1_000))
        clock = asyncio.get_running_loop().time
        began = clock()
        await track.interrupt()

        async def silent() -> bool:
            return await ann.heard(shown["id"]) is None

        await eventually("ann hears nothing any more", silent)
        assert clock() - began < 3, "what was said before was played to its end"


async def test_a_picture_that_cannot_be_taken_does_no_harm(
    fishjam: FishjamClient, rooms: Rooms, notices: Notices
) -> None:
    room = rooms()
    agent = fishjam.create_agent(room.id)
    async with agent.connect() as session:
        if not hasattr(session, "capture_image"):
            pytest.skip("this version of the SDK takes no pictures")
        await session.capture_image("no-track")
        await session.add_track(OutgoingAudioTrackOptions(encoding=TrackEncoding.TRACK_ENCODING_PCM16))
        await eventually("it still speaks", lambda: notices.of_kind(ServerMessageTrackAdded))
