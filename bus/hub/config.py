"""What a hub must be told: where Kafka and Postgres are, its key, and its policy. One TOML file."""

from __future__ import annotations

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


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    file: str


class _Config(Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    kafka: _Kafka
    postgres: _Postgres
    keys: _File
    policy: _File | None = None
    publisher: _Publisher | None = None


class PublisherConfig(Struct, frozen=True):
    """The publisher's own: its database login, its folder, and where it serves (``host:port``), if it does."""

    dsn: str
    folder: Path
    listen: str | None

    def __repr__(self) -> str:
        return f"PublisherConfig({self.folder})"


class HubConfig(Struct, frozen=True):
    """A hub's configuration, with every file beside it found. Its repr shows no secret."""

    origin: str
    kafka: Connection
    notary_dsn: str
    courier_dsn: str
    key_file: Path
    policy_file: Path | None
    publisher: PublisherConfig | None = None

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
        )


def _publisher(table: _Publisher, beside: Path) -> PublisherConfig:
    return PublisherConfig(table.dsn, beside / table.folder, table.listen)
