"""The policy file: what an operator may set, and its fingerprint, which stands in every leaf."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bus.errors import UsageError
from bus.paths import ops_dir

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000


class _Ids(Struct, frozen=True, forbid_unknown_fields=True):
    past_days: int
    future_minutes: int


class _LegalBasis(Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str


class _Directory(Struct, frozen=True, forbid_unknown_fields=True):
    issuers: list[str]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    ids: _Ids
    legal_basis: _LegalBasis
    directory: _Directory


class Policy(Struct, frozen=True):
    """A policy, ready to decide by.

    ``digest`` is the SHA-256 of the file; times are microseconds.
    """

    digest: bytes
    id_past_us: int
    id_future_us: int
    legal_basis: re.Pattern[str]
    directory_issuers: frozenset[str]

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """A policy from its TOML bytes.

        Raises:
            UsageError: the bytes are no policy of this version.
        """
        try:
            table: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
            file = msgspec.convert(table, _File)
            pattern = re.compile(file.legal_basis.pattern)
        except (ValueError, msgspec.ValidationError, re.error) as error:
            raise UsageError(
                f"the policy file is not valid: {error}", hint="Compare it with ops/policy.toml."
            ) from None
        if file.version != 1:
            raise UsageError(f"policy version {file.version} is not known here", hint="Upgrade safeguard-bus.")
        return cls(
            digest=sha256(data).digest(),
            id_past_us=file.ids.past_days * _DAY_US,
            id_future_us=file.ids.future_minutes * _MINUTE_US,
            legal_basis=pattern,
            directory_issuers=frozenset(file.directory.issuers),
        )

    @classmethod
    def load(cls, path: Path | None = None) -> Policy:
        """The policy of a file; without one, the one that is shipped."""
        return cls.parse((path or ops_dir() / "policy.toml").read_bytes())
