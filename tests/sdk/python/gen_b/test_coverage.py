"""Every call and every notification of the SDK is named in a test."""

import importlib
from pathlib import Path

from gen_b.conftest import PACKAGE, events, sdk
from harness.coverage import calls, generated_calls, notifications, unnamed

TESTS = Path(__file__)

NEVER_TOLD = {
    "RoomCrashed": "a room outlives its worker",
    "PeerCrashed": "takes a bug in the server; the coordinator's own tests have it",
    "ComponentCrashed": "there is no gateway here; the coordinator's own tests have it",
    "HlsPlayable": "takes somebody who shows a picture; the coordinator's own tests have it",
    "HlsUploaded": "broadcasts are not uploaded",
    "HlsUploadCrashed": "the same",
}


def test_every_call_is_made() -> None:
    clients = (sdk.RoomApi, sdk.RecordingApi)
    assert unnamed(calls(*clients) - {"client"}, TESTS) == set()
    api = importlib.import_module(f"{PACKAGE}._openapi_client.api")
    assert unnamed(generated_calls(api, *clients), TESTS) == set()


def test_every_notification_is_told() -> None:
    known = notifications(events.ServerMessage)
    assert unnamed(known, TESTS) == known & NEVER_TOLD.keys()
