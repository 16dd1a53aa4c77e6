"""What a command reads of the sandbox that stands in the state folder: ``<BUS_HOME>/sandbox.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bus.errors import UsageError


def state(home: Path) -> dict[str, Any]:
    """The sandbox's state file; empty where there is no sandbox.

    Raises:
        UsageError: the file is there and cannot be read.
    """
    path = home / "sandbox.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="`bus sandbox up` writes it anew.") from error


def organisations(home: Path) -> dict[str, dict[str, Any]]:
    """The sandbox's organisations by id: name, nation, roles and where their files are."""
    return state(home).get("organisations", {})


def with_role(home: Path, role: str) -> list[str]:
    """The organisations that have a role, in the sandbox's order."""
    return [org for org, facts in organisations(home).items() if role in facts.get("roles", ())]
