"""The policy file: what an operator may set, and its fingerprint, which stands in every leaf."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from bus.errors import UsageError
from bus.events.lifecycles import TABLE
from bus.paths import ops_dir

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000

LIFECYCLES_DIGEST: Final = sha256(TABLE.encode()).hexdigest()
"""A policy names the table of lifecycles that it goes with, so that the digest in a leaf binds the decision to both."""


class _Ids(Struct, frozen=True, forbid_unknown_fields=True):
    past_days: int
    future_minutes: int


class _LegalBasis(Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str
    registered_only: bool = False


class _Directory(Struct, frozen=True, forbid_unknown_fields=True):
    issuers: list[str]


class _Holds(Struct, frozen=True, forbid_unknown_fields=True):
    longest_days: Annotated[int, Meta(ge=1, le=366)] = 30


class _Lifecycles(Struct, frozen=True, forbid_unknown_fields=True):
    digest: str = LIFECYCLES_DIGEST


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    ids: _Ids
    legal_basis: _LegalBasis
    directory: _Directory
    holds: _Holds = _Holds()
    lifecycles: _Lifecycles = _Lifecycles()


class Policy(Struct, frozen=True):
    """A policy, ready to decide by.

    ``digest`` is the SHA-256 of the file; times are microseconds. ``longest_hold_us`` is how far ahead a police hold
    may end; ``lifecycles`` is the digest of the table that it goes with.
    """

    digest: bytes
    id_past_us: int
    id_future_us: int
    legal_basis: re.Pattern[str]
    registered_only: bool
    directory_issuers: frozenset[str]
    longest_hold_us: int
    lifecycles: str

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
            registered_only=file.legal_basis.registered_only,
            directory_issuers=frozenset(file.directory.issuers),
            longest_hold_us=file.holds.longest_days * _DAY_US,
            lifecycles=file.lifecycles.digest,
        )

    @classmethod
    def load(cls, path: Path | None = None) -> Policy:
        """The policy of a file, to decide by; without one, the one that is shipped.

        Raises:
            UsageError: the file is no policy of this version, or goes with another table of lifecycles. Such a one can
                be adopted before the release that has that table decides by it.
        """
        policy = cls.parse((path or ops_dir() / "policy.toml").read_bytes())
        if policy.lifecycles != LIFECYCLES_DIGEST:
            raise UsageError(
                "the policy goes with another table of lifecycles than this version's",
                hint=f"Use the release that it was written for; or read what changed, adopt a policy that names "
                f"{LIFECYCLES_DIGEST}, and start with that.",
            )
        return policy
