"""Where operator, witnesses and senders lie together, both verifiers still say the same of what is shown."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

import pytest

from bus.errors import Malformed
from bus.events import codec, registry
from bus.evidence.verify import verify
from bus.tlog import ed25519
from bus.tlog.cosignature import Cosignature, message
from bus.tlog.note import Signature, sign_note
from bus.tlog.tree import node_hash
from tests.unit.evidence.colluding import Collusion, Lie
from tests.unit.evidence.conftest import Story
from tests.unit.evidence.support import POLICY, WITNESSES
from tests.unit.evidence.test_alone import holds
from tests.unit.tlog.support import seed

Change = Callable[[Collusion], None]


def told(data: bytes) -> tuple[bool, bool]:
    """The verdict of the bus and of the script."""
    return verify(data, POLICY).holds, holds(data)


@pytest.fixture
def lies(story: Story) -> Collusion:
    """The story's event, before anything of it is changed."""
    return Collusion(story.ledger, story.evidence)


def test_what_is_only_signed_anew_holds(lies: Collusion) -> None:
    """The harness itself breaks nothing: without a change both verdicts are true."""
    assert told(lies.encode()) == (True, True)


def part(name: str, change: Callable[[bytes], bytes], whose: str = "event") -> Change:
    """Another part of an entry."""

    def act(lies: Collusion) -> None:
        one = lies.lie(whose)
        one.parts[name] = change(one.parts[name])

    return act


def leaf(whose: str = "event", **fields: object) -> Change:
    """Other fields of an entry's leaf."""
    return lambda lies: lies.lie(whose).leaf.update(fields)


def signature(change: Callable[[bytes], bytes], whose: str = "event") -> Change:
    """Another form of the sender's signature."""

    def act(lies: Collusion) -> None:
        lies.lie(whose).signature = change

    return act


def put(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some replaced."""
    return data[:at] + new + data[at + len(new) :]


def text(change: Callable[[bytes], bytes]) -> Change:
    """Another text of every checkpoint."""

    def act(lies: Collusion) -> None:
        lies.text = change

    return act


def lines(change: Callable[[bytes, list[Signature]], list[Signature]]) -> Change:
    """Other signature lines."""

    def act(lies: Collusion) -> None:
        lies.lines = change

    return act


def longer_path(lies: Collusion) -> None:
    """One hash more above the root, which is signed in its place."""
    lies.root = lambda found: node_hash(found, bytes(32))
    for one in (lies.event, *lies.directory):
        one.path = lambda path: [*path, bytes(32)]
    lies.earlier_path = lambda path: [*path, bytes(32)]


def odd_hash(lies: Collusion) -> None:
    """A sibling of 33 bytes above the root, which is signed in its place."""
    odd = bytes(33)
    lies.root = lambda found: node_hash(found, odd)
    for one in (lies.event, *lies.directory):
        one.path = lambda path: [*path, odd]
    lies.files = lambda files: {name: data for name, data in files.items() if "earlier" not in name}


def at_seconds(at: int) -> Change:
    """A further cosignature of the third witness at some time."""
    return lines(lambda text, found: [*found, sign_note(text, WITNESSES[2], at)])


def seconds(found: list[Signature]) -> int:
    """When the first witness cosigned."""
    return Cosignature.decode(found[1].signature).time_s


def far_off(text: bytes) -> Signature:
    """A cosignature by the third witness at a time that needs all of 64 bits."""
    key, at = WITNESSES[2].verifier, (1 << 64) - 1
    return Signature(key.name, key.key_id, at.to_bytes(8) + ed25519.sign(seed(key.name), message(text, at)))


FALSE: dict[str, Change] = {
    "an accepted entry over two offsets": leaf(last_offset=10**6),
    "such a one in the directory": leaf("KeyRegistered", last_offset=10**6),
    "a leaf that repeats another": leaf(first_index=3),
    "a refused one": leaf(outcome=3),
    "a time before 1970": leaf(time_us=-1),
    "a time that is no date": leaf(time_us=1 << 62),
    "bytes behind the header": part("header", lambda data: data + b"\x00"),
    "bytes behind the body": part("body", lambda data: data + b"\x00"),
    "bytes behind the sealed part": part("sealed", lambda data: data + b"\x00"),
    "a sealed part that is none": part("sealed", lambda _: b"\x04"),
    "bytes behind the decision": part("decision", lambda data: data + b"\x00"),
    "a decision of too few bytes": part("decision", lambda data: data[:10]),
    "a decision that counts in a long form": part("decision", lambda data: data[:16] + b"\x84\x00" + data[17:]),
    "a decision with a boolean of 7": part("decision", lambda data: data.replace(b"lighthouse\x01", b"lighthouse\x07")),
    "a decision in another order": part("decision", lambda data: data.replace(b"lighthouse", b"zighthouse")),
    "a decision on others": part("decision", lambda data: data.replace(b"lighthouse", b"lighthousf")),
    "a lane of another name": part("decision", lambda data: data[:16] + b"\x00\x00"),
    "another version of the signature": signature(lambda data: b"\x02" + data[1:]),
    "another kind of signature": signature(lambda data: put(data, 1, b"\x02")),
    "another length of the header in the signature": signature(lambda data: put(data, 5, b"\x00")),
    "another length of the body in the signature": signature(lambda data: put(data, 9, b"\xff")),
    "another schema in the signature": signature(lambda data: put(data, 12, b"\x00\x00\x00")),
    "another number of hashes in the signature": signature(
        lambda data: put(data, len(data) - 64 - 64 - 1, b"\x03") if data[-64 - 64 - 1] == 2 else data[:-64]
    ),
    "a hash more in the signature": signature(lambda data: data[:-64] + bytes(32) + data[-64:]),
    "the same in the directory": signature(lambda data: put(data, 5, b"\x00"), "OrganisationAdmitted"),
    "a path of one hash too many": longer_path,
    "a hash of 33 bytes": odd_hash,
    "a size in another form": text(lambda data: data.replace(b"\n", b"\n0", 1)),
    "a size of 64 bits": text(lambda data: data.replace(b"\n", b"\n1" + b"0" * 19, 1)),
    "an empty extension line": text(lambda data: data + b"\n"),
    "a root of 31 bytes": text(lambda data: data[:-5] + b"\n"),
    "a cosignature at a time of 64 bits": lines(lambda text, found: [*found, far_off(text)]),
    "a cosignature of an hour ago behind a true one": lines(
        lambda text, found: [*found, sign_note(text, WITNESSES[1], seconds(found) - 3600)]
    ),
    "a witness without a time": lines(lambda text, found: [*found[:2], sign_note(text, WITNESSES[1], 0)]),
    "a hundred signatures too many": lines(lambda _, found: [*found, *[found[1]] * 98]),
    "an index in another form": lambda lies: setattr(
        lies.event, "head", lambda head: head.replace("index ", "index 0")
    ),
    "an extra line": lambda lies: setattr(lies.event, "head", lambda head: head.replace("index", "extra eA==\nindex")),
}
TRUE: dict[str, Change] = {
    "an extension line": text(lambda data: data + b"more\n"),
    "an extension line of other letters": text(lambda data: data + "\u2028 \u00e9\x7f\n".encode()),
    "a witness that has no time beside a quorum": at_seconds(0),
    "a third witness": lines(lambda text, found: [*found, sign_note(text, WITNESSES[2], seconds(found))]),
    "a line that stands twice": lines(lambda _, found: [*found, *found]),
    "a hundred signatures": lines(lambda _, found: [*found, *[found[1]] * 97]),
    "the log's signature last": lines(lambda _, found: found[::-1]),
    "no body": lambda lies: lies.event.parts.__delitem__("body"),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_contradiction_is_false_for_both(lies: Collusion, name: str) -> None:
    """However well it is signed, what is not in its one form, or contradicts itself, does not hold."""
    FALSE[name](lies)
    assert told(lies.encode()) == (False, False)


@pytest.mark.parametrize("name", TRUE)
def test_another_form_that_is_allowed_holds_for_both(lies: Collusion, name: str) -> None:
    """What the formats leave free does not make a file false."""
    TRUE[name](lies)
    assert told(lies.encode()) == (True, True)


RULES = {"field-bounds", "field-pattern", "field-missing", "section-too-large", "sealed-unexpected"}
"""What the hub demands of a field's value, and the script does not look at (docs/adr/0029)."""


def rule_broken(one: Lie) -> bool:
    """Whether an entry's parts are in their one form, and say what the hub's rules on values forbid."""
    info = registry.by_fingerprint(sha256(one.schema).digest())
    assert info is not None
    readers: list[Callable[[], object]] = [
        lambda: codec.decode_header(info, one.parts["header"]),
        lambda: codec.decode(codec.assemble(info, *(one.parts[name] for name in ("header", "body", "sealed")))),
        lambda: codec.decode_decision(one.parts["decision"]),
    ]
    for read in readers:
        try:
            read()
        except Malformed as error:
            return error.reason in RULES
    return False


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one changed, added, left out or said twice, or cut off."""
    at, kind = chance.randrange(len(data)), chance.randrange(6)
    byte = bytes((chance.choice((0, 1, 2, 3, 7, 127, 128, 129, 255, data[at] ^ 1 << chance.randrange(8))),))
    return (
        data[:at] + byte + data[at + 1 :],
        data[:at] + byte + data[at:],
        data[:at] + data[at + 1 :],
        data[:at] + data[at : at + 3] + data[at:],
        data[:at],
        data[:at] + bytes((data[at] | 128, 0)) + data[at + 1 :],
    )[kind]


@pytest.mark.parametrize("count", [40, pytest.param(4000, marks=pytest.mark.deep)])
def test_whatever_is_damaged_both_say_the_same(story: Story, count: int) -> None:
    """A part of any entry is damaged at random and signed anew: but for rules on values, the verdicts are one."""
    chance, evidence, verdicts = random.Random(count), story.evidence, Counter[tuple[bool, bool]]()
    for _ in range(count):
        lies = Collusion(story.ledger, evidence)
        one = chance.choice([lies.event, lies.event, *lies.directory])
        name = chance.choice(["header", "body", "sealed", "decision", "decision", "signature"])
        before = dict(one.parts)
        if name == "signature":
            draw = random.Random(chance.random())
            one.signature = functools.partial(damaged, chance=draw)
        else:
            one.parts[name] = damaged(one.parts[name], chance)
        found = told(lies.encode())
        verdicts[found] += 1
        if found[0] != found[1]:
            assert found == (False, True)
            assert rule_broken(one), (name, before.get(name), one.parts.get(name))
    assert verdicts[False, False] > verdicts[False, True]
