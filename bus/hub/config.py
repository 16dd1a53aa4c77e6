"""What a hub must be told: where Kafka and Postgres are, its key, and its policy. One TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bus.errors import UsageError
from bus.kafka.connection import Connection


class _Kafka(Struct, frozen=True, forbid_unknown_fields=True):
    bootstrap: str
    password_file: str
    username: str = "hub"
    security_protocol: str = "SASL_SSL"
    sasl_mechanism: str = "SCRAM-SHA-512"
    ca_file: str | None = None


class _Postgres(Struct, frozen=True, forbid_unknown_fields=True):
    notary_dsn: str
    courier_dsn: str


class _Publisher(Struct, frozen=True, forbid_unknown_fields=True):
    dsn: str
    folder: str
    listen: str | None = None


class _Clerk(Struct, frozen=True, forbid_unknown_fields=True):
    dsn: str
    secret_file: str
    legal_basis: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    file: str


class _Config(Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    kafka: _Kafka
    postgres: _Postgres
    keys: _File
    policy: _File | None = None
    publisher: _Publisher | None = None
    clerk: _Clerk | None = None


class PublisherConfig(Struct, frozen=True):
    """The publisher's own: its database login, its folder, and where it serves (``host:port``), if it does."""

    dsn: str
    folder: Path
    listen: str | None

    def __repr__(self) -> str:
        return f"PublisherConfig({self.folder})"


class ClerkConfig(Struct, frozen=True):
    """The clerk's own: its database login, the file of its secret, and the legal basis that its statements name."""

    dsn: str
    secret_file: Path
    legal_basis: str

    def __repr__(self) -> str:
        return "ClerkConfig()"

    def secret(self) -> bytes:
        """The 32 bytes that the clerk's salts and nonces are made with.

        Raises:
            UsageError: there is no such file, others may read it, or it does not hold 64 hex digits.
        """
        try:
            if self.secret_file.stat().st_mode & 0o077:
                raise UsageError(f"{self.secret_file} can be read by others", hint=f"chmod 600 {self.secret_file}")
            found = self.secret_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.secret_file} cannot be read: {type(error).__name__}") from error
        if re.fullmatch(r"[0-9a-f]{64}", found) is None:
            raise UsageError(f"{self.secret_file} is not a clerk's secret", hint="It holds 64 hex digits, made once.")
        return bytes.fromhex(found)


class HubConfig(Struct, frozen=True):
    """A hub's configuration, with every file beside it found. Its repr shows no secret."""

    origin: str
    kafka: Connection
    notary_dsn: str
    courier_dsn: str
    key_file: Path
    policy_file: Path | None
    publisher: PublisherConfig | None = None
    clerk: ClerkConfig | None = None

    def __repr__(self) -> str:
        return f"HubConfig({self.origin!r})"

    @classmethod
    def load(cls, path: Path) -> HubConfig:
        """Read a configuration; relative paths in it are relative to it.

        Raises:
            UsageError: a file is missing, or is no configuration of a hub.
        """
        try:
            table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            config = msgspec.convert(table, _Config)
            password = (path.parent / config.kafka.password_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(
                f"{error.filename} cannot be read: {error.strerror}", hint="In a sandbox: bus sandbox up"
            ) from error
        except (ValueError, msgspec.ValidationError) as error:
            raise UsageError(f"{path} is not a hub's configuration: {error}") from None
        kafka = config.kafka
        return cls(
            origin=config.origin,
            kafka=Connection(
                bootstrap=kafka.bootstrap,
                security_protocol=kafka.security_protocol,
                sasl_mechanism=kafka.sasl_mechanism,
                username=kafka.username,
                password=password,
                ca_file=kafka.ca_file,
            ),
            notary_dsn=config.postgres.notary_dsn,
            courier_dsn=config.postgres.courier_dsn,
            key_file=path.parent / config.keys.file,
            policy_file=None if config.policy is None else path.parent / config.policy.file,
            publisher=None if config.publisher is None else _publisher(config.publisher, path.parent),
            clerk=None if config.clerk is None else _clerk(config.clerk, path.parent),
        )


def _publisher(table: _Publisher, beside: Path) -> PublisherConfig:
    return PublisherConfig(table.dsn, beside / table.folder, table.listen)


def _clerk(table: _Clerk, beside: Path) -> ClerkConfig:
    return ClerkConfig(table.dsn, beside / table.secret_file, table.legal_basis)
