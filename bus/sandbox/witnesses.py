"""The sandbox's witnesses: one of each of two nations. In production each runs on a machine of its own nation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from bus.sandbox.home import Home
from bus.tlog.vkey import VerifierKey
from bus.witness.home import Home as WitnessHome


class Witness(Struct, frozen=True):
    """Who cosigns the sandbox's log."""

    role: str
    name: str
    nation: str


WITNESSES = (
    Witness("witness-isles", "witness.isles.example", "GB"),
    Witness("witness-north", "witness.north.example", "SE"),
)
"""Both must cosign: no history can be shown to one nation that the other has not seen."""


def folder(home: Home, witness: Witness) -> WitnessHome:
    """Where a witness keeps its key and its memory."""
    return WitnessHome(home.root / "witnesses" / witness.role)


def prepare(home: Home, log_key: VerifierKey) -> None:
    """Make the keys and memories that are missing, and let each cosign this log."""
    for witness in WITNESSES:
        place = folder(home, witness)
        key = place.key() if place.key_file.is_file() else place.make(witness.name)
        with contextlib.closing(place.store(key)) as store:
            store.trust(log_key.name, log_key)


def policy(home: Home, log_keys: Sequence[VerifierKey], ports: Mapping[str, int]) -> str:
    """The policy by which the sandbox's log is believed (c2sp.org/tlog-policy): all its keys, old and new."""
    lines = [f"log {key.encode()} http://127.0.0.1:{ports['log']}" for key in log_keys]
    for witness in WITNESSES:
        vkey = folder(home, witness).key().verifier.encode()
        lines.append(f"witness {witness.name} {vkey} http://127.0.0.1:{ports[witness.role]}")
    names = " ".join(witness.name for witness in WITNESSES)
    return "\n".join([*lines, f"group nations all {names}", "quorum nations", ""])


def arguments(home: Home, witness: Witness, port: int) -> list[str]:
    """How a witness is run, after ``bus``."""
    return ["witness", "run", "--dir", str(folder(home, witness).folder), "--port", str(port)]


def published(home: Home, ports: Mapping[str, int]) -> list[dict[str, Any]]:
    """What others may know of the witnesses."""
    return [
        {
            "name": witness.name,
            "nation": witness.nation,
            "vkey": folder(home, witness).key().verifier.encode(),
            "url": f"http://127.0.0.1:{ports[witness.role]}",
            "log": str(home.log(witness.role)),
        }
        for witness in WITNESSES
        if folder(home, witness).key_file.is_file()
    ]
