"""Every call and every notification of the SDK is named in a test."""

import importlib
from pathlib import Path

from fishjam import FishjamClient
from fishjam.events._protos import fishjam as protos

from gen_c.generated import PACKAGE
from harness.coverage import calls, generated_calls, notifications, unnamed

TESTS = Path(__file__)

NEVER_TOLD = {
    "RoomCrashed": "a room outlives its worker",
    "PeerCrashed": "takes a bug in the server; the coordinator's own tests have it",
    "ComponentCrashed": "the current API has no components",
    "HlsPlayable": "the same",
    "HlsUploaded": "the same",
    "HlsUploadCrashed": "the same",
    "StreamConnected": "replaced by StreamerConnected",
    "StreamDisconnected": "replaced by StreamerDisconnected",
    "StreamerConnected": "livestreams have no media yet; the coordinator's own tests have it",
    "StreamerDisconnected": "the same",
    "ViewerConnected": "the same",
    "ViewerDisconnected": "the same",
    "TrackForwarding": "of another product",
    "TrackForwardingRemoved": "the same",
    "RecordingStatusChanged": "the same",
}


def test_every_call_is_made() -> None:
    assert unnamed(calls(FishjamClient), TESTS) == set()
    generated = generated_calls(importlib.import_module(f"{PACKAGE}.api"), FishjamClient)
    # `create_streamer` and its like are put together from the role.
    roles = {f"{verb}_{role}" for verb in ("create", "delete") for role in ("streamer", "viewer")}
    assert unnamed(generated - roles, TESTS) == set()


def test_every_notification_is_told() -> None:
    known = notifications(protos.ServerMessage)
    assert unnamed(known, TESTS) == known & NEVER_TOLD.keys()
