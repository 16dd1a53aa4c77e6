"""Who publishes or consumes: one TOML file per organisation.

::

    organisation = "hotline-north"
    nation = "SE"

    [hub]
    origin = "ledger.example.org/safeguard"
    hub_key = "<64 hex digits>"             # pinned: trust starts outside the hub

    [kafka]
    bootstrap = "broker.example.org:9093"
    security_protocol = "SASL_SSL"
    sasl_mechanism = "SCRAM-SHA-512"
    username = "hotline-north"
    password_file = "password"              # the password alone
    ca_file = "ca.pem"                      # optional

    [keys]
    file = "keys.json"                      # signing and sealing keys, mode 0600

    [journal]
    home = "../.."                          # the journal is <home>/journal/<organisation>.db

    [log]                                   # optional: see that what comes is in the published log
    url = "https://log.example.org"         # or file:///…
    policy = "policy"                       # whose checkpoints to believe (c2sp.org/tlog-policy)
    within_s = 60                           # how late the log may be

    [defaults]                              # what a file of events cannot know
    audience = ["police-west"]
    retain_days = 365
    compartment = "csam"

Relative paths are relative to the profile's folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from msgspec import Struct

from bus.errors import NO_SANDBOX, UsageError
from bus.kafka.connection import Connection

_ORGANISATION = re.compile(r"[a-z][a-z0-9-]{1,30}")
_NATION = re.compile(r"[A-Z]{2}")
_ORIGIN = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")
_HEX32 = re.compile(r"[0-9a-f]{64}")
_LOG_URL = re.compile(r"(https?|file)://\S+")
_ANY = re.compile(r".+")

HOME_VARIABLE = "BUS_HOME"
PROFILE_VARIABLE = "BUS_PROFILE"
DEFAULT_HOME = ".bus"


WITHIN_S = 60.0


class LogSettings(Struct, frozen=True):
    """Where the log is published, whose checkpoints are believed, and how late it may be, in seconds."""

    url: str
    policy_file: Path
    within_s: float = WITHIN_S


class Profile(Struct, frozen=True):
    """One organisation's way to the bus.

    ``defaults`` holds header fields in their JSON form; ``audience`` and ``retain_days`` stand apart. Without ``log``
    a subscriber does not look into the published log.
    """

    organisation: str
    nation: str
    origin: str
    hub_key: bytes
    bootstrap: str
    key_file: Path
    journal_home: Path
    security_protocol: str = "SASL_SSL"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    defaults: Mapping[str, Any] = {}
    audience: tuple[str, ...] | None = None
    retain_days: int | None = None
    path: Path | None = None
    log: LogSettings | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a profile.

        Raises:
            UsageError: the file is missing or not a profile; the message names the entry, never its value.
        """
        file = Path(path).resolve()
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"profile {file} cannot be read: {error.strerror}",
                hint="`bus sandbox up` writes one per organisation of a sandbox; BUS_PROFILE names one of your own.",
            ) from error
        except ValueError as error:
            raise UsageError(f"profile {file} is not TOML: {error}") from error
        return cls._from_document(_Section(document, file), file)

    @classmethod
    def _from_document(cls, top: _Section, file: Path) -> Self:
        hub, kafka, defaults = top.section("hub"), top.section("kafka"), top.section("defaults")
        password, ca_file = kafka.text("password_file", ""), kafka.text("ca_file", "")
        audience = defaults.take("audience")
        return cls(
            organisation=top.text("organisation", pattern=_ORGANISATION),
            nation=top.text("nation", pattern=_NATION),
            origin=hub.text("origin", pattern=_ORIGIN),
            hub_key=bytes.fromhex(hub.text("hub_key", pattern=_HEX32)),
            bootstrap=kafka.text("bootstrap"),
            security_protocol=kafka.text("security_protocol", "SASL_SSL"),
            sasl_mechanism=kafka.text("sasl_mechanism", "SCRAM-SHA-512"),
            username=kafka.text("username", ""),
            password_file=file.parent / password if password else None,
            ca_file=file.parent / ca_file if ca_file else None,
            key_file=file.parent / top.section("keys").text("file"),
            journal_home=file.parent / top.section("journal").text("home", "."),
            audience=None if audience is None else defaults.organisations("audience", audience),
            retain_days=defaults.days("retain_days"),
            defaults=defaults.rest(),
            path=file,
            log=_log_settings(top.section("log"), file.parent),
        )

    @classmethod
    def find(cls, organisation: str | None = None, *, environ: Mapping[str, str] = os.environ) -> Self:
        """The profile that ``BUS_PROFILE`` names, else the one of this organisation in the sandbox.

        Raises:
            UsageError: there is none, or ``BUS_PROFILE`` is another organisation's.
        """
        named = environ.get(PROFILE_VARIABLE)
        if named:
            found = cls.load(named)
            if organisation not in {None, found.organisation}:
                raise UsageError(
                    f"{PROFILE_VARIABLE} is the profile of {found.organisation}, not of {organisation}",
                    hint=f"Unset {PROFILE_VARIABLE}, or leave --as out.",
                )
            return found
        folder = Path(environ.get(HOME_VARIABLE) or DEFAULT_HOME) / "organisations"
        if organisation is None:
            raise UsageError("no organisation was named", hint=f"Give --as ORG, or set {PROFILE_VARIABLE}.")
        if not (folder / organisation / "profile.toml").is_file():
            known = sorted(file.parent.name for file in folder.glob("*/profile.toml"))
            raise UsageError(
                f"there is no profile of {organisation} in {folder}",
                hint=f"Known here: {', '.join(known)}." if known else NO_SANDBOX,
            )
        return cls.load(folder / organisation / "profile.toml")

    @property
    def journal_file(self) -> Path:
        """Where this organisation's journal stands."""
        return self.journal_home / "journal" / f"{self.organisation}.db"

    def connection(self) -> Connection:
        """How to reach Kafka, with the password read from its file.

        Raises:
            UsageError: the password file cannot be read.
        """
        password = ""
        if self.password_file is not None:
            try:
                password = self.password_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise UsageError(f"password file {self.password_file}: {error.strerror}") from error
        return Connection(
            bootstrap=self.bootstrap,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            username=self.username,
            password=password,
            ca_file=None if self.ca_file is None else str(self.ca_file),
        )


def _log_settings(table: _Section, beside: Path) -> LogSettings | None:
    """The table ``[log]``, or None where there is none."""
    if table.is_empty:
        return None
    return LogSettings(
        url=table.text("url", pattern=_LOG_URL),
        policy_file=beside / table.text("policy"),
        within_s=table.seconds("within_s", WITHIN_S),
    )


class _Section:
    """One table of the file: takes entries out and says which is wrong."""

    def __init__(self, entries: Mapping[str, Any], file: Path, name: str = "") -> None:
        self._entries, self._file, self._name = dict(entries), file, name

    def _wrong(self, key: str, rule: str) -> UsageError:
        place = f"[{self._name}] {key}" if self._name else key
        return UsageError(f"profile {self._file}: {place} {rule}")

    def section(self, name: str) -> _Section:
        found = self._entries.get(name, {})
        if not isinstance(found, dict):
            raise self._wrong(name, "must be a table")
        return _Section(cast("dict[str, Any]", found), self._file, name)

    def take(self, key: str) -> Any:
        return self._entries.pop(key, None)

    def text(self, key: str, default: str | None = None, *, pattern: re.Pattern[str] = _ANY) -> str:
        found = self.take(key)
        if found is None and default is not None:
            return default
        if found is None:
            raise self._wrong(key, "is missing")
        if not isinstance(found, str) or not pattern.fullmatch(found):
            raise self._wrong(key, "has not the form asked for")
        return found

    def organisations(self, key: str, found: Any) -> tuple[str, ...]:
        if not isinstance(found, list) or not all(isinstance(org, str) for org in cast("list[Any]", found)):
            raise self._wrong(key, "must be a list of organisation ids")
        return tuple(sorted(set(cast("list[str]", found))))

    def days(self, key: str) -> int | None:
        found = self.take(key)
        if found is not None and (type(found) is not int or not 0 < found <= 36_525):
            raise self._wrong(key, "must be a whole number of days")
        return found

    def seconds(self, key: str, default: float) -> float:
        found = self.take(key)
        if found is None:
            return default
        if type(found) not in {int, float} or not 0 < found <= 86_400:
            raise self._wrong(key, "must be a number of seconds, at most a day")
        return float(found)

    @property
    def is_empty(self) -> bool:
        return not self._entries

    def rest(self) -> Mapping[str, Any]:
        return self._entries
