"""Which addresses the SDK may be given, and how it learns whether its token is right."""

import pytest
from fishjam import FishjamClient, FishjamNotifier, errors

from harness.notices import listening
from harness.patience import eventually
from harness.server import MANAGEMENT_TOKEN, Server

verifies = pytest.mark.skipif(
    not hasattr(FishjamClient, "create_and_verify"), reason="this version of the SDK cannot verify credentials"
)


@verifies
def test_a_right_token_is_verified(server: Server) -> None:
    client = FishjamClient.create_and_verify(fishjam_id=server.base, management_token=MANAGEMENT_TOKEN)
    client.check_credentials()


@verifies
def test_a_wrong_token_is_noticed_at_once(server: Server) -> None:
    with pytest.raises(errors.InvalidFishjamCredentialsError):
        FishjamClient.create_and_verify(fishjam_id=server.base, management_token="wrong")


@pytest.mark.parametrize("path", ["", "/", "/api/v1/connect/any-app", "/api/v1/connect/any-app/"])
async def test_the_server_is_found_at_its_root_and_below_any_app(server: Server, path: str) -> None:
    """Requests of the current SDKs are told from those of the older ones by a header."""
    base = server.origin + path
    client = FishjamClient(base, MANAGEMENT_TOKEN)
    async with listening(FishjamNotifier(base, MANAGEMENT_TOKEN)) as notices:
        room = client.create_room()
        assert client.get_room(room.id) == room
        peer, token = client.create_peer(room.id)
        assert token
        assert client.get_room(room.id).peers == [peer]
        client.delete_room(room.id)
        await eventually("the room's whole life is told", lambda: len(notices.of(room.id)) == 4)
