"""``sandbox.json``: what this sandbox is, on which ports, and what of it was started.

Other programs read ``kafka``, ``postgres``, ``log`` and ``organisations`` of it; the rest is the sandbox's own.
The file holds passwords and is readable by its owner only.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from bus.errors import SandboxError
from bus.sandbox import broker, database, ports, witnesses
from bus.sandbox.home import Home, write_private
from bus.sandbox.outfit import profile
from bus.sandbox.processes import Identity
from bus.sandbox.witnesses import WITNESSES
from bus.sandbox.world import WORLD

VERSION = 1
_PORTS = ("kafka", "controller", "postgres", "log", *(witness.role for witness in WITNESSES))


class State(Struct, kw_only=True):
    """What is kept of a sandbox between two commands."""

    version: int = VERSION
    cluster_id: str
    ports: dict[str, int]
    founded: bool = False
    started: dict[str, Identity] = {}

    @classmethod
    def new(cls, home: Home) -> State:
        """A state for a sandbox that has none. A cluster that was formatted keeps its id."""
        formatted = home.kafka / "formatted"
        cluster_id = formatted.read_text(encoding="ascii") if formatted.is_file() else broker.new_cluster_id()
        return cls(cluster_id=cluster_id, ports=ports.choose(_PORTS))

    @classmethod
    def load(cls, home: Home) -> State | None:
        """The state of this folder; None if there is no sandbox.

        Raises:
            SandboxError: the file is damaged, or of another version.
        """
        try:
            state = msgspec.json.decode(home.state_file.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise SandboxError(
                f"{home.state_file} cannot be read: {error}",
                hint="Move it away and run `bus sandbox up`: the ledger stays, the ports are chosen anew.",
            ) from None
        if state.version != VERSION:
            raise SandboxError(
                f"this sandbox was made by another version ({state.version})", hint="bus sandbox up --fresh"
            )
        missing = [name for name in _PORTS if name not in state.ports]
        state.ports.update(ports.choose(missing))
        return state

    def save(self, home: Home) -> None:
        """Write it, with what other programs read."""
        own = msgspec.to_builtins(self)
        text = msgspec.json.format(msgspec.json.encode({**own, **published(home, self.ports)}), indent=2)
        write_private(home.state_file, text.decode() + "\n")


def published(home: Home, port_of: dict[str, int]) -> dict[str, Any]:
    """How to connect, in the spelling of ``docs/interfaces.md``."""
    postgres = port_of["postgres"]
    return {
        "kafka": {
            "bootstrap": f"127.0.0.1:{port_of['kafka']}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
        },
        "postgres": {
            "dsn": database.dsn(home, postgres, "desk"),
            "admin_dsn": database.dsn(home, postgres, database.SUPERUSER),
        },
        "log": _log(home, port_of["log"]),
        "witnesses": witnesses.published(home, port_of),
        "organisations": {
            organisation.id: {
                "name": organisation.name,
                "nation": organisation.nation,
                "roles": list(organisation.roles),
                "kafka_username": organisation.id,
                "kafka_password_file": str(home.organisation(organisation.id) / "password"),
                "key_file": str(home.organisation(organisation.id) / "keys.json"),
                "profile": str(profile(home, organisation.id)),
            }
            for organisation in WORLD
        },
    }


def _log(home: Home, port: int) -> dict[str, str]:
    """How to read and check what is published; the key is there once the publisher's folder is."""
    found = {"origin": home.origin}
    vkey = home.publisher / "log.vkey"
    if vkey.is_file():
        found["vkey"] = vkey.read_text(encoding="ascii").strip()
        found["policy"] = str(home.publisher / "policy")
        found["url"] = f"http://127.0.0.1:{port}"
    return found
