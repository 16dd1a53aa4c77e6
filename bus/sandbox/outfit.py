"""What each organisation of the sandbox, and the hub, has in its folder: keys, a password, a profile.

Keys and passwords are made once and then kept. What says where the servers are is written again whenever that
has changed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from bus.hub.logkey import known_keys, signing_keys
from bus.paths import ops_dir
from bus.sandbox import database, witnesses
from bus.sandbox.home import Home, make_private, secret, write_private
from bus.sandbox.world import HUB, WORLD, Organisation, header_defaults
from bus.trust.keys import KeyRing, SigningKey

GOVERNORS = 3
THRESHOLD = 2
_HUB_AS_ORGANISATION = Organisation(
    HUB, "The hub", "IE", (HUB,), (HUB,), source_kind="government", legal_basis="hub-agreement@2024"
)
_HUB_RETAIN_DAYS = 36_500
_RETAIN_DAYS = 365


def hub_config(home: Home) -> Path:
    """The hub's configuration file."""
    return home.hub / "hub.toml"


def profile(home: Home, org: str) -> Path:
    """An organisation's profile."""
    return home.organisation(org) / "profile.toml"


def prepare(home: Home, ports: Mapping[str, int]) -> dict[str, str]:
    """Make what is missing; return the Kafka password of each organisation and of the hub."""
    hub_ring = _prepare_hub(home, ports)
    passwords = {HUB: secret(home.hub / "password")}
    for organisation in WORLD:
        folder = home.organisation(organisation.id)
        make_private(folder)
        passwords[organisation.id] = secret(folder / "password")
        _keys(folder / "keys.json")
        _keys(folder / "recovery.json", sealing=False)
        _write(folder / "profile.toml", _profile(organisation, home.origin, hub_ring.signing, ports))
    make_private(home.organisation(HUB))
    _write(profile(home, HUB), _profile(_HUB_AS_ORGANISATION, home.origin, hub_ring.signing, ports))
    return passwords


def governors(home: Home) -> list[KeyRing]:
    """The governance keys: in production each is held by somebody else, offline."""
    return [_keys(home.hub / f"governance-{number}.json", sealing=False) for number in range(1, GOVERNORS + 1)]


def _prepare_hub(home: Home, ports: Mapping[str, int]) -> KeyRing:
    ring = _keys(home.hub / "keys.json")
    governors(home)
    secret(home.hub / "password")
    for name in ("policy.toml", "deadlines.toml"):
        if not (home.hub / name).is_file():
            write_private(home.hub / name, (ops_dir() / name).read_text(encoding="utf-8"))
    if not (home.hub / "clerk.secret").is_file():
        write_private(home.hub / "clerk.secret", secrets.token_hex(32) + "\n")
    _write(hub_config(home), _hub_toml(home, ports))
    _prepare_publisher(home, ports)
    return ring


def _prepare_publisher(home: Home, ports: Mapping[str, int]) -> None:
    """The log's key, the witnesses that cosign it, and the policy that names them."""
    key = signing_keys(home.publisher, home.origin)[0].verifier
    witnesses.prepare(home, key)
    _write(home.publisher / "policy", witnesses.policy(home, known_keys(home.publisher), ports))


def _keys(path: Path, *, sealing: bool = True) -> KeyRing:
    if path.is_file():
        return KeyRing.load(path)
    ring = KeyRing.generate() if sealing else KeyRing(SigningKey.generate())
    ring.save(path)
    return ring


def _write(path: Path, text: str) -> None:
    """Write a file that somebody may have open or watch: only if it says something else now."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)


def _kafka_table(ports: Mapping[str, int], username: str, password_file: str) -> dict[str, Any]:
    return {
        "bootstrap": f"127.0.0.1:{ports['kafka']}",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": username,
        "password_file": password_file,
    }


def _hub_toml(home: Home, ports: Mapping[str, int]) -> str:
    logins = {f"{role}_dsn": database.dsn(home, ports["postgres"], role) for role in ("notary", "courier")}
    return toml({
        "origin": home.origin,
        "kafka": _kafka_table(ports, HUB, "password"),
        "postgres": logins,
        "keys": {"file": "keys.json"},
        "policy": {"file": "policy.toml"},
        "publisher": {
            "dsn": database.dsn(home, ports["postgres"], "publisher"),
            "folder": str(home.publisher),
            "listen": f"127.0.0.1:{ports['log']}",
        },
        "clerk": {
            "dsn": database.dsn(home, ports["postgres"], "clerk"),
            "secret_file": "clerk.secret",
            "legal_basis": _HUB_AS_ORGANISATION.legal_basis,
        },
    })  # fmt: skip


def _profile(organisation: Organisation, origin: str, hub_key: SigningKey, ports: Mapping[str, int]) -> str:
    is_hub = organisation.id == HUB
    folder = "../../hub/" if is_hub else ""
    audience = {"audience": list(organisation.audience)} if organisation.audience else {}
    return toml({
        "organisation": organisation.id,
        "nation": organisation.nation,
        "hub": {"origin": origin, "hub_key": hub_key.public_key.hex()},
        "kafka": _kafka_table(ports, organisation.id, f"{folder}password"),
        "keys": {"file": f"{folder}keys.json"},
        "journal": {"home": "../.."},
        "log": {"url": f"http://127.0.0.1:{ports['log']}", "policy": "../../publisher/policy"},
        "defaults": {
            **audience,
            "retain_days": _HUB_RETAIN_DAYS if is_hub else _RETAIN_DAYS,
            **header_defaults(organisation),
        },
    })  # fmt: skip


def toml(document: Mapping[str, Any]) -> str:
    """A document of plain values and one level of tables; tables within those are written inline."""
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {_value(value)}" for key, value in document.items() if key not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return "{ " + ", ".join(f"{key} = {_value(entry)}" for key, entry in entries.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in cast("list[Any]", value)) + "]"
    return json.dumps(value, ensure_ascii=False)
