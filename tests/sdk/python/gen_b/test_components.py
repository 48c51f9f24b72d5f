"""Components, recordings and broadcasts: what is not built yet answers as a server on which it is disabled.

The gateway of these tests may reach public addresses only, and has no directory to play files from."""

import re
from typing import Any

import pytest

from gen_b.conftest import Rooms, errors, generated, sdk
from harness.server import MANAGEMENT_TOKEN, Server

CREDENTIALS = {"address": "127.0.0.1", "username": "u", "password": "p"}


def options(kind: str) -> Any:
    """The least that the SDK takes for a component of a kind."""
    sip = generated("models").ComponentOptionsSIP
    return {
        "hls": lambda: sdk.ComponentOptionsHLS(),
        "rtsp": lambda: sdk.ComponentOptionsRTSP(source_uri="rtsp://127.0.0.1:9/x"),
        "file": lambda: sdk.ComponentOptionsFile(file_path="x.h264"),
        "sip": lambda: sip.from_dict({"registrarCredentials": CREDENTIALS}),
        "recording": lambda: sdk.ComponentOptionsRecording(credentials=s3()),
    }[kind]()


def s3() -> Any:
    keys = {"accessKeyId": "k", "secretAccessKey": "s", "region": "r", "bucket": "b"}
    return generated("models").S3Credentials.from_dict(keys)


@pytest.mark.parametrize("kind", ["sip", "recording"])
def test_a_component_that_is_not_built_is_disabled(api: Any, rooms: Rooms, kind: str) -> None:
    room = rooms(video_codec="h264")
    with pytest.raises(errors.BadRequestError, match=f"Components of type {kind} are disabled on this Fishjam"):
        api.add_component(room.id, options(kind))
    assert api.get_room(room.id).components == []


def test_a_component_that_no_gateway_takes_is_refused(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    complaint = "No gateway can take a component of type file: 1 without this kind"
    with pytest.raises(errors.BadRequestError, match=complaint):
        api.add_component(room.id, options("file"))
    assert api.get_room(room.id).components == []


def test_a_camera_is_added_shown_without_its_password_and_deleted(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    camera = sdk.ComponentOptionsRTSP(source_uri="rtsp://viewer:s3cret@192.0.2.1/yard")
    added = api.add_component(room.id, camera)
    assert (added.type, added.properties.source_uri) == ("rtsp", "rtsp://192.0.2.1/yard")
    assert [component.id for component in api.get_room(room.id).components] == [added.id]
    api.delete_component(room.id, added.id)
    assert api.get_room(room.id).components == []


def test_a_broadcast_is_added_shown_and_deleted(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    added = api.add_component(room.id, sdk.ComponentOptionsHLS(low_latency=True, target_window_duration=60))
    shown = {"lowLatency": True, "persistent": False, "targetWindowDuration": 60, "subscribeMode": "auto"}
    assert (added.type, added.properties.to_dict()) == ("hls", shown | {"playable": False, "s3": None})
    assert api.get_room(room.id).components == [added]
    with pytest.raises(errors.BadRequestError, match=f"Reached hls components limit in room {room.id}"):
        api.add_component(room.id, options("hls"))
    with pytest.raises(errors.BadRequestError, match="option `subscribe_mode` is set to :auto"):
        api.subscribe(room.id, added.id, ["somebody"])
    api.delete_component(room.id, added.id)
    assert api.get_room(room.id).components == []


def test_it_can_be_chosen_whom_a_broadcast_shows(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    manual = generated("models").ComponentOptionsHLSSubscribeMode("manual")
    broadcast = api.add_component(room.id, sdk.ComponentOptionsHLS(subscribe_mode=manual))
    assert broadcast.properties.subscribe_mode.value == "manual"
    camera = api.add_component(room.id, options("rtsp"))
    api.subscribe(room.id, broadcast.id, [camera.id])
    with pytest.raises(errors.BadRequestError, match="Subscribe mode is supported only for HLS and Recording"):
        api.subscribe(room.id, camera.id, [broadcast.id])


def test_an_address_that_is_none_is_not_told_back(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    with pytest.raises(errors.BadRequestError, match=r"^Expected sourceUri to be a URL of rtsp or rtsps$"):
        api.add_component(room.id, sdk.ComponentOptionsRTSP(source_uri="http://admin:secret@camera/"))


@pytest.mark.parametrize("kind", ["hls", "rtsp", "recording"])
def test_what_repackages_h264_wants_a_room_of_it(api: Any, rooms: Rooms, kind: str) -> None:
    room = rooms(video_codec="vp8")
    with pytest.raises(errors.BadRequestError, match=f"Incompatible video codec enforced in room {room.id}"):
        api.add_component(room.id, options(kind))


@pytest.mark.parametrize(
    ("path", "framerate", "complaint"),
    [
        ("/etc/x.h264", None, "Invalid file path"),
        ("../x.h264", None, "Invalid file path"),
        ("x.mkv", None, "Unsupported file type"),
        ("x.h264", -1, "Invalid framerate passed"),
        ("x.ogg", 30, "Attempted to set framerate for audio component which is not supported."),
    ],
)
def test_a_wrong_file_is_named(api: Any, room: Any, path: str, framerate: int | None, complaint: str) -> None:
    with pytest.raises(errors.BadRequestError, match=re.escape(complaint)):
        api.add_component(room.id, sdk.ComponentOptionsFile(file_path=path, framerate=framerate))


def test_a_recording_needs_somewhere_to_go(api: Any, rooms: Rooms) -> None:
    room = rooms(video_codec="h264")
    with pytest.raises(errors.BadRequestError, match="S3 credentials has to be passed either by request or"):
        api.add_component(room.id, sdk.ComponentOptionsRecording())


@pytest.mark.parametrize(
    ("kind", "field"), [("rtsp", "sourceUri"), ("file", "filePath"), ("sip", "registrarCredentials")]
)
def test_an_option_that_must_be_there_is_named(api: Any, room: Any, kind: str, field: str) -> None:
    """The SDK itself cannot leave these out, its generated client can send the options of another kind."""
    body = generated("models").AddComponentJsonBody(type=kind, options=sdk.ComponentOptionsHLS())
    answer = generated("api.room.add_component").sync_detailed(room.id, client=api.client, json_body=body)
    assert (answer.status_code, answer.parsed.errors) == (400, f'Required field "{field}" missing')


def test_an_unknown_kind_of_component_is_refused(api: Any, room: Any) -> None:
    body = generated("models").AddComponentJsonBody(type="robot", options=sdk.ComponentOptionsHLS())
    answer = generated("api.room.add_component").sync_detailed(room.id, client=api.client, json_body=body)
    assert (answer.status_code, answer.parsed.errors) == (400, "Invalid component type")


def test_a_component_that_is_not_there_is_not_found(api: Any, room: Any) -> None:
    with pytest.raises(errors.NotFoundError, match="Component c does not exist"):
        api.delete_component(room.id, "c")
    for call in (
        lambda: api.subscribe(room.id, "c", ["somebody"]),
        lambda: api.sip_dial(room.id, "c", "12345"),
        lambda: api.sip_end_call(room.id, "c"),
    ):
        with pytest.raises(errors.BadRequestError, match="Component c does not exist"):
            call()


def test_a_room_that_is_not_there_has_no_components(api: Any) -> None:
    for call in (
        lambda: api.add_component("nowhere", options("hls")),
        lambda: api.delete_component("nowhere", "c"),
        lambda: api.subscribe("nowhere", "c", []),
        lambda: api.sip_dial("nowhere", "c", "12345"),
        lambda: api.sip_end_call("nowhere", "c"),
    ):
        with pytest.raises(errors.NotFoundError, match="Room nowhere does not exist"):
            call()


def test_there_are_no_recordings(server: Server) -> None:
    recordings = sdk.RecordingApi(server.address, MANAGEMENT_TOKEN)
    assert recordings.get_list() == []
    with pytest.raises(errors.NotFoundError, match="Recording not found"):
        recordings.delete("nothing")
    with pytest.raises(errors.UnauthorizedError):
        sdk.RecordingApi(server.address, "wrong").get_list()


def test_there_are_no_files(api: Any, room: Any) -> None:
    hls = generated("api.hls.get_hls_content").sync_detailed
    recording = generated("api.recording.get_recording_content").sync_detailed
    for content in (hls, recording):
        answer = content(room.id, "index.m3u8", client=api.client)
        assert (answer.status_code, answer.parsed.errors) == (404, "File not found")
