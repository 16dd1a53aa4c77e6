"""The policy: whose checkpoints are believed, and how many witnesses must have cosigned them (c2sp.org/tlog-policy).

::

    log <verifier key> [<url>]
    witness <name> <verifier key> [<url>]
    group <name> <k>|any|all <member> …
    quorum <name>|none

Items are parted by spaces and tabs; blank lines and lines that begin with # say nothing. A name stands before it
is used, is a member at most once, and no key stands twice: so a witness counts in one way only. A key that signs
for a log cosigns for nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from bus.errors import CheckFailed, Malformed
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import Cosignature
from bus.tlog.note import Note, Signature
from bus.tlog.text import malformed, parse_decimal
from bus.tlog.vkey import COSIGNERS, Kind, VerifierKey

NONE: Final = "none"
MAX_POLICY: Final = 1 << 20
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


class Log(msgspec.Struct, frozen=True):
    """A log whose checkpoints are believed. The key's name is the log's origin."""

    key: VerifierKey
    url: str = ""


class Witness(msgspec.Struct, frozen=True):
    """A witness, by the name that the policy gives it."""

    name: str
    key: VerifierKey
    url: str = ""


class Group(msgspec.Struct, frozen=True):
    """A group cosigns when ``threshold`` of its members do: witnesses, or groups named before it."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Cosigned(msgspec.Struct, frozen=True):
    """A cosignature that holds: whose, and when it was given, in seconds since 1970."""

    witness: Witness
    time_s: int


class Judgement(msgspec.Struct, frozen=True):
    """What a policy finds of a checkpoint's note."""

    checkpoint: Checkpoint
    log: Log | None
    """The log that signed it under its own name; None if no log of the policy did."""
    cosigned: tuple[Cosigned, ...]
    """The cosignatures that hold, in the order of the note's lines. A witness may have given more than one time."""
    has_quorum: bool
    strangers: tuple[Signature, ...]
    """Signatures of keys that the policy does not name; nothing is known of them."""

    @property
    def accepted(self) -> bool:
        """Whether the checkpoint is to be believed."""
        return self.log is not None and self.has_quorum


class Policy(msgspec.Struct, frozen=True):
    """Logs, witnesses, groups and the quorum; :meth:`parse` makes it."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """The policy of a file's bytes.

        Raises:
            Malformed: a line breaks a rule; its number and the rule are said, and no word of it.
        """
        if len(data) > MAX_POLICY or _CONTROL.search(data):
            raise malformed("policy: it is larger than 1 MiB, or has control characters: carriage returns, for one")
        reader = _Reader()
        text = data.decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            items = [item for item in re.split("[ \t]+", line) if item]
            if items and not items[0].startswith("#"):
                reader.read(items, number)
        return reader.finish()

    def encode(self) -> bytes:
        """The policy as a file, in the order logs, witnesses, groups, quorum."""
        lines = [["log", log.key.encode(), log.url] for log in self.logs]
        lines += [["witness", one.name, one.key.encode(), one.url] for one in self.witnesses]
        lines += [["group", one.name, str(one.threshold), *one.members] for one in self.groups]
        lines.append(["quorum", self.quorum])
        return "".join(" ".join(filter(None, line)) + "\n" for line in lines).encode("utf-8", "surrogateescape")

    def judge(self, note: Note) -> Judgement:
        """Check a checkpoint's note against this policy.

        A cosignature without a time says nothing of the whole log and counts for nothing.

        Raises:
            Malformed: the note is no checkpoint.
            CheckFailed: a signature of a key that is named here does not hold.
        """
        checkpoint = Checkpoint.decode(note.text)
        logs = {log.key: log for log in self.logs if log.key.name == checkpoint.origin}
        witnesses = {witness.key: witness for witness in self.witnesses}
        signed = note.verified([*(log.key for log in self.logs), *witnesses])
        named = {(key.name, key.key_id) for key, _ in signed}
        cosigned = _cosigned(note, witnesses.values())
        return Judgement(
            checkpoint=checkpoint,
            log=next((logs[key] for key, _ in signed if key in logs), None),
            cosigned=cosigned,
            has_quorum=self.is_quorum({one.witness.name for one in cosigned}),
            strangers=tuple(line for line in note.signatures if (line.name, line.key_id) not in named),
        )

    def is_quorum(self, names: set[str]) -> bool:
        """Whether these witnesses together are enough."""
        have = set(names)
        for group in self.groups:
            if len(have.intersection(group.members)) >= group.threshold:
                have.add(group.name)
        return self.quorum == NONE or self.quorum in have

    def accept(self, note: Note) -> Judgement:
        """``judge``, for those who go on only with a checkpoint that is to be believed.

        Raises:
            Malformed: the note is no checkpoint.
            CheckFailed: it is not to be believed.
        """
        judgement = self.judge(note)
        if judgement.log is None:
            raise CheckFailed("the checkpoint is signed by no log of the policy")
        if not judgement.has_quorum:
            raise CheckFailed("too few witnesses of the policy have cosigned the checkpoint")
        return judgement


def _cosigned(note: Note, witnesses: Iterable[Witness]) -> tuple[Cosigned, ...]:
    """Every cosignature of a note whose lines have been verified."""
    known = {(one.key.name, one.key.key_id): one for one in witnesses}
    lines = [line for line in note.signatures if (line.name, line.key_id) in known]
    found = [Cosigned(known[one.name, one.key_id], Cosignature.decode(one.signature).time_s) for one in lines]
    return tuple(dict.fromkeys(one for one in found if one.time_s))


class _Reader:
    """Reads a policy line by line, and refuses the first that breaks a rule."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.keys: set[bytes] = set()
        self.idents: set[tuple[str, bytes]] = set()
        self.names: set[str] = {NONE}
        self.members: set[str] = {NONE}

    def read(self, items: Sequence[str], number: int) -> None:
        word, *rest = items
        line = _LINES.get(word)
        try:
            _need(line is not None, "it begins with none of log, witness, group and quorum")
            assert line is not None
            line(self, rest)
        except _Broken as broken:
            raise malformed(f"policy: line {number}: {broken}") from None

    def finish(self) -> Policy:
        if self.quorum is None:
            raise malformed("policy: no line names the quorum")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def log(self, rest: Sequence[str]) -> None:
        _need(len(rest) in {1, 2}, "a log has a key, and a URL or none")
        key, url = self._key(rest)
        _need(key.kind is not Kind.COSIGNATURE, "the key is a witness's, and a log's is needed")
        self.logs.append(Log(key, url))

    def witness(self, rest: Sequence[str]) -> None:
        _need(len(rest) in {2, 3}, "a witness has a name, a key, and a URL or none")
        name, *rest = rest
        key, url = self._key(rest)
        _need(key.kind in COSIGNERS, "the key is a log's, and a witness's is needed")
        self._define(name)
        self.witnesses.append(Witness(name, key, url))

    def group(self, rest: Sequence[str]) -> None:
        _need(len(rest) > 2, "a group has a name, how many must cosign, and members")
        name, threshold, *members = rest
        at_least = {"any": 1, "all": len(members)}.get(threshold) or _count(threshold)
        _need(1 <= at_least <= len(members), _HOW_MANY)
        _need(self.names.issuperset(members), "a member is no witness or group of the lines above")
        once = len(set(members)) == len(members) and self.members.isdisjoint(members)
        _need(once, "a member is one twice, or of another group too, or is none")
        self.members.update(members)
        self._define(name)
        self.groups.append(Group(name, at_least, tuple(members)))

    def set_quorum(self, rest: Sequence[str]) -> None:
        _need(len(rest) == 1, "the quorum is one name")
        _need(self.quorum is None, "the quorum was named before")
        _need(rest[0] in self.names, "the quorum is no witness or group of the lines above")
        self.quorum = rest[0]

    def _key(self, rest: Sequence[str]) -> tuple[VerifierKey, str]:
        text, url = (*rest, "") if len(rest) == 1 else rest
        try:
            key = VerifierKey.decode(text)
        except Malformed:
            raise _Broken("the key is not a verifier key in its one form: name+8 hexadecimal digits+base 64") from None
        ident = (key.name, key.key_id)
        _need(key.public_key not in self.keys and ident not in self.idents, "the key stands in another line too")
        self.keys.add(key.public_key)
        self.idents.add(ident)
        return key, url

    def _define(self, name: str) -> None:
        _need(name not in self.names, "the name is taken")
        self.names.add(name)


class _Broken(ValueError):
    """A rule that a line breaks, said without a word of the line."""


def _need(holds: bool, rule: str) -> None:
    if not holds:
        raise _Broken(rule)


_HOW_MANY: Final = "how many must cosign is any, all, or a number from 1 to that of the members"


def _count(text: str) -> int:
    try:
        return parse_decimal(text, "threshold")
    except Malformed:
        raise _Broken(_HOW_MANY) from None


_LINES: dict[str, Callable[[_Reader, Sequence[str]], None]] = {
    "log": _Reader.log,
    "witness": _Reader.witness,
    "group": _Reader.group,
    "quorum": _Reader.set_quorum,
}
