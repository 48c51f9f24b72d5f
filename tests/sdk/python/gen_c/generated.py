"""The SDK's generated client: calls that its façade does not offer. Its modules have moved between versions."""

import importlib
from typing import Any

from fishjam import FishjamClient, Peer

PACKAGE = Peer.__module__.partition(".models")[0]

models = importlib.import_module(f"{PACKAGE}.models")


def call(tag: str, name: str, client: FishjamClient, *args: str, **named: Any) -> Any:
    """One call of the API in full: status, headers, and what was made of the body."""
    for folder in (tag, f"{tag}s"):
        try:
            module = importlib.import_module(f"{PACKAGE}.api.{folder}.{name}")
        except ModuleNotFoundError:
            continue
        return module.sync_detailed(*args, client=client.client, **named)
    raise ModuleNotFoundError(f"{tag}.{name}")
