"""What belongs to other products is refused by its name, never taken for an unknown address."""

from collections.abc import Callable

import fishjam as sdk
import pytest
from fishjam import FishjamClient, Room
from fishjam.errors import BadRequestError, HTTPError, NotFoundError

if not hasattr(sdk, "Recording"):
    pytest.skip("this version of the SDK does not know these products", allow_module_level=True)

from fishjam import PeerOptionsVapi
from fishjam.recording import CompositionSource, TemplateSource

COMPOSITION = "http://127.0.0.1:9/composition/x"
SOURCE = CompositionSource(composition_url=COMPOSITION, output_id="o")

CALLS: dict[str, Callable[[FishjamClient, Room], object]] = {
    "vapi": lambda fishjam, room: fishjam.create_vapi_agent(room.id, PeerOptionsVapi(api_key="k", call_id="c-1")),
    "moq": lambda fishjam, room: fishjam.create_moq_access(publish_path="p"),
    "track forwarding": lambda fishjam, room: fishjam.forward_room_tracks(room.id, COMPOSITION),
    "recording": lambda fishjam, room: fishjam.create_composition_recording(SOURCE),
    "recording, by its older name": lambda fishjam, room: fishjam.create_recording(SOURCE),
    "recording of a template": lambda fishjam, room: fishjam.create_template_recording(
        TemplateSource(composition_url=COMPOSITION), b"a file"
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_another_product_is_refused_by_name(fishjam: FishjamClient, room: Room, name: str) -> None:
    with pytest.raises(HTTPError, match="not supported") as refused:
        CALLS[name](fishjam, room)
    assert not isinstance(refused.value, NotFoundError)


def test_what_would_be_wrong_anyway_is_told_first(fishjam: FishjamClient) -> None:
    with pytest.raises(BadRequestError, match="Expected publishPath or subscribePath"):
        fishjam.create_moq_access()
    with pytest.raises(NotFoundError, match="Room nowhere does not exist"):
        fishjam.forward_room_tracks("nowhere", COMPOSITION)


def test_there_are_no_recordings_of_compositions(fishjam: FishjamClient) -> None:
    assert fishjam.get_all_recordings({"a": {"b": 1}}) == []
    for call in (fishjam.get_recording, fishjam.stop_recording, fishjam.delete_recording):
        with pytest.raises(NotFoundError):
            call("nothing")
