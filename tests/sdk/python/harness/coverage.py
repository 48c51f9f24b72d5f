"""What of an SDK its tests name, so that a newer version's calls and notifications are not overlooked."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


def calls(*clients: type) -> set[str]:
    """What a back end may ask for."""
    return {name for client in clients for name in dir(client) if not name.startswith("_")}


def generated_calls(api: ModuleType, *clients: type) -> set[str]:
    """What the generated client has, and the clients that are built on it do not use."""
    used = "".join(Path(inspect.getfile(client)).read_text() for client in clients)
    modules = [info.name for info in pkgutil.walk_packages(api.__path__, f"{api.__name__}.") if not info.ispkg]
    return {name for module in modules if (name := module.rpartition(".")[2]) not in used}


def notifications(server_message: type) -> set[str]:
    """The kinds of notifications, without what both sides say to each other first."""
    fields = {field.name for field in dataclasses.fields(server_message)}
    said_first = {"authenticated", "auth_request", "subscribe_request", "subscribe_response"}
    return {"".join(word.capitalize() for word in name.split("_")) for name in fields - said_first}


def unnamed(names: Iterable[str], tests: Path) -> set[str]:
    """Those that no test beside `tests` names."""
    texts = [file.read_text() for file in tests.parent.glob("*.py") if file.name != tests.name]
    return {name for name in names if not any(name in text for text in texts)}
