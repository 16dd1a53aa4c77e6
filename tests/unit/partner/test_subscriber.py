"""What a subscriber makes of inboxes that no honest hub would write."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from structlog.testing import capture_logs

from bus.errors import NotAllowed, UsageError
from bus.events.codec import assemble, encode_body, encode_header, encode_plaintext, encode_sealed
from bus.events.ids import uuid7
from bus.events.jsonform import parse_event
from bus.events.names import ce_headers
from bus.kafka.records import Outgoing, Record
from bus.partner import Delivery
from bus.partner.compose import fill
from bus.partner.delivery import open_checked
from bus.partner.inbox import Checker
from bus.tlog import Leaf
from bus.trust.batch import NO_ROOT, sign_batch
from bus.trust.commitment import commitment
from bus.trust.keys import KeyRing
from bus.trust.sealing import seal
from tests.unit.partner.places import MemoryPlace

INBOX = "in.hotline-east"


async def publish(place: MemoryPlace, count: int = 1, **changes: Any) -> None:
    """Publish events to the receiver."""
    async with place.publisher(place.sender) as publisher:
        for _ in range(count):
            event = place.event(issuer=place.sender, to=place.receiver)
            event["header"] |= changes
            assert (await publisher.publish(event)).outcome == "accepted"


async def hear(place: MemoryPlace, **options: Any) -> list[Delivery]:
    """All that is in the inbox, in the order it is handed out."""
    async with place.subscriber(place.receiver, follow=False, **options) as subscriber:
        return [delivery async for delivery in subscriber]


def change(place: MemoryPlace, offset: int, **changes: bytes | None) -> None:
    """Rewrite a record of the inbox: its value, or headers (underscores for dashes), None to remove one."""
    record = place.bus.topics[INBOX][offset]
    value = changes.pop("value", record.value)
    named = {name if name.startswith("ce_") else name.replace("_", "-"): held for name, held in changes.items()}
    headers = [(name, named.pop(name, held)) for name, held in record.headers]
    headers += list(named.items())
    kept = tuple((name, held) for name, held in headers if held is not None)
    place.bus.topics[INBOX][offset] = structs.replace(record, value=value, headers=kept)


def flipped(data: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def header(place: MemoryPlace, offset: int, name: str) -> bytes:
    """A header of a record in the inbox."""
    held = place.bus.topics[INBOX][offset].header(name)
    assert held is not None
    return held


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda _: {"bus_index": None}, "inbox-malformed"),
        (lambda _: {"bus_index": b"+5"}, "inbox-malformed"),
        (lambda _: {"bus_index": b"05"}, "inbox-malformed"),
        (lambda _: {"bus_index": b"\xd9\xa5"}, "inbox-malformed"),
        (lambda _: {"value": None}, "inbox-malformed"),
        (lambda _: {"bus_withheld": b"erased"}, "inbox-malformed"),
        (lambda r: {"bus_entry": r.header("bus-entry")[:-1]}, "inbox-malformed"),
        (lambda r: {"bus_entry": flipped(r.header("bus-entry"), 1)}, "inbox-malformed"),
        (lambda r: {"bus_entry": b"\x01\x03" + r.header("bus-entry")[2:]}, "inbox-malformed"),
        (lambda r: {"bus_entry": flipped(r.header("bus-entry"), 10)}, "leaf-mismatch"),
        (lambda r: {"bus_entry": flipped(r.header("bus-entry"), 373)}, "leaf-mismatch"),
        (lambda r: {"bus_signature": flipped(r.header("bus-signature"), -1 + len(r.header("bus-signature")))}, "leaf-mismatch"),
        (lambda _: {"bus_signature": None}, "signature-malformed"),
        (lambda r: {"value": flipped(r.value, 100)}, "leaf-mismatch"),
        (lambda r: {"value": r.value + b"\x00"}, "leaf-mismatch"),
        (lambda _: {"ce_type": b"org.safeguard.Report.opened"}, "ce-mismatch"),
        (lambda _: {"ce_id": None}, "ce-mismatch"),
    ],
)  # fmt: skip
async def test_a_record_that_does_not_hold_is_named_and_passed(
    place: MemoryPlace, spoil: Callable[[Record], dict[str, bytes | None]], problem: str
) -> None:
    """One changed record is invalid with its reason; those around it are fine, and the loop goes on."""
    await publish(place, 3)
    change(place, 1, **spoil(place.bus.topics[INBOX][1]))
    heard = await hear(place)
    assert [delivery.status for delivery in heard] == ["ok", "invalid", "ok"]
    assert heard[1].problem == problem
    assert [delivery.missing for delivery in heard] == [0, 0, 0]
    assert heard[1].value == place.bus.topics[INBOX][1].value


async def test_a_doubled_header_is_malformed(place: MemoryPlace) -> None:
    """Two values for one header are one too many, whatever they say."""
    await publish(place)
    record = place.bus.topics[INBOX][0]
    doubled = structs.replace(record, headers=(*record.headers, ("bus-index", b"7")))
    place.bus.topics[INBOX][0] = doubled
    [heard] = await hear(place)
    assert (heard.status, heard.problem, heard.index) == ("invalid", "inbox-malformed", -1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_one_bit_changed_anywhere_is_caught(place: MemoryPlace, data: st.DataObject) -> None:
    """No change to the value, the signature or a CloudEvents header leaves a record valid."""
    if not place.bus.topics[INBOX]:
        await publish(place)
    record = place.bus.topics[INBOX][0]
    headers = dict(record.headers)
    part = data.draw(st.sampled_from(["value", "bus-signature", *(name for name in headers if name.startswith("ce_"))]))
    held = record.value if part == "value" else headers[part]
    assert held is not None
    at = data.draw(st.integers(0, len(held) - 1))
    spoilt = held[:at] + bytes([held[at] ^ 1 << data.draw(st.integers(0, 7))]) + held[at + 1 :]
    if part == "value":
        record = structs.replace(record, value=spoilt)
    else:
        record = structs.replace(record, headers=tuple({**headers, part: spoilt}.items()))
    checker = Checker(place.world.origin, place.world.hub.signing.public_key)
    [checked] = checker.check([record], place.directory())
    assert open_checked(checked, place.world.keys(place.receiver), place.world.origin).status == "invalid"


async def test_a_gap_is_an_alarm_and_said_with_the_next_delivery(place: MemoryPlace) -> None:
    """Numbers that do not come are counted; the rest is handed out."""
    await publish(place, 5)
    del place.bus.topics[INBOX][1:3]
    with capture_logs() as logs:
        heard = await hear(place)
    assert [(delivery.seq, delivery.missing) for delivery in heard] == [(0, 0), (3, 2), (4, 0)]
    [alarm] = [entry for entry in logs if entry["event"] == "subscriber.gap"]
    assert (alarm["log_level"], alarm["missing"], alarm["lane"]) == ("error", 2, "bulk")


async def test_a_gap_at_the_very_start_is_seen(place: MemoryPlace) -> None:
    """An inbox that has all its offsets and does not begin with number 0 lacks something."""
    await publish(place, 3)
    del place.bus.topics[INBOX][0]
    assert [delivery.missing for delivery in await hear(place)] == [1, 0]


async def test_a_gap_across_a_restart_is_seen(place: MemoryPlace) -> None:
    """The last number is kept with the group's offset, so what is lost in between is missed."""
    await publish(place, 4)
    first = place.bus.topics[INBOX][:2]
    rest = place.bus.topics[INBOX][3:]
    place.bus.topics[INBOX][:] = first
    async with place.subscriber(place.receiver, follow=False) as subscriber:
        async for delivery in subscriber:
            await delivery.done()
    place.bus.topics[INBOX] += rest
    assert [(delivery.seq, delivery.missing) for delivery in await hear(place)] == [(3, 1)]


async def test_what_was_seen_is_dropped(place: MemoryPlace) -> None:
    """A record that stands twice in the inbox is handed out once."""
    await publish(place, 2)
    place.bus.topics[INBOX].append(place.bus.topics[INBOX][0])
    with capture_logs() as logs:
        assert [delivery.seq for delivery in await hear(place)] == [0, 1]
    assert "subscriber.duplicate" in {entry["event"] for entry in logs}


async def test_what_is_withheld_keeps_its_number(place: MemoryPlace) -> None:
    """Content that the hub no longer gives is a delivery without content, and no gap."""
    await publish(place, 3)
    change(place, 1, value=None, bus_withheld=b"erased")
    heard = await hear(place)
    assert [(delivery.seq, delivery.status, delivery.missing) for delivery in heard] == [
        (0, "ok", 0),
        (1, "withheld", 0),
        (2, "ok", 0),
    ]
    assert (heard[1].problem, heard[1].event, heard[1].value) == ("erased", None, None)
    assert heard[1].event_id is not None


class Forged:
    """An inbox record of an event that the hub would not have taken, with a leaf that fits it."""

    def __init__(self, place: MemoryPlace) -> None:
        self.place = place
        self.signer = place.world.keys(place.sender)
        self.organisation = place.sender
        self.sealed_to: KeyRing = place.world.keys(place.receiver)
        self.plaintext: bytes | None = None
        self.schema: tuple[int, bytes] | None = None
        self.topic = f"out.{place.sender}"

    def deliver(self) -> None:
        """Put it into the inbox."""
        world, profile = self.place.world, self.place.world.profile(self.place.sender)
        event = self.place.event(issuer=self.place.sender, to=self.place.receiver)
        parts = parse_event(event, fill(profile, now_us=world.clock.now_us(), subjects=lambda _: None))
        info = parts.info
        head, body = encode_header(info, parts.header), encode_body(info, parts.body)
        sealed = seal(
            encode_plaintext(info, parts.plaintext) if self.plaintext is None else self.plaintext,
            origin=world.origin,
            issuer=self.place.sender,
            event_id=parts.header.event_id,
            fp=info.fingerprint,
            header=head,
            recipients=[self.sealed_to.sealing[0].public_key],
        )
        last = encode_sealed(sealed)
        value, fp = assemble(info, head, body, last), info.fingerprint
        if self.schema is not None:
            value, fp = b"\x00" + self.schema[0].to_bytes(4, "big") + value[5:], self.schema[1]
        digest = commitment(fp, head, body, last)
        signed = sign_batch(
            self.signer.signing,
            origin=world.origin,
            organisation=self.organisation,
            stream=bytes(16),
            seq=0,
            prev_root=NO_ROOT,
            signed_at_us=world.clock.now_us(),
            items=[(digest, len(head), len(body), fp)],
        )
        sections = [sha256(part).digest() for part in (head, body, last)]
        whole = [sha256(part).digest() for part in (signed.signatures[0], value)]
        leaf = Leaf(
            outcome=1, time_us=1, topic_d=sha256(self.topic.encode()).digest(), partition=0, offset=0, last_offset=0,
            fingerprint=fp, header_d=sections[0], body_d=sections[1], sealed_d=sections[2], signature_d=whole[0],
            value_d=whole[1], decision_d=bytes(32), policy_d=bytes(32), first_index=1000,
            event_id=parts.header.event_id, commitment=digest,
        ).encode()  # fmt: skip
        headers = [
            *ce_headers(info, parts.header),
            ("bus-signature", signed.signatures[0]),
            ("bus-index", b"1000"),
            ("bus-entry", leaf),
            ("bus-seq", b"%d" % len(self.place.bus.topics[INBOX])),
        ]
        self.place.bus.append([Outgoing(INBOX, parts.header.thread, value, headers)])


async def heard_of(forged: Forged) -> Delivery:
    """What the receiver makes of it."""
    forged.deliver()
    [heard] = await hear(forged.place)
    return heard


async def test_what_is_made_by_hand_can_be_right(place: MemoryPlace) -> None:
    """The forgery without a flaw is accepted: what the next tests change is what is caught."""
    assert (await heard_of(Forged(place))).status == "ok"


async def test_an_unknown_schema_is_kept_undecoded(place: MemoryPlace) -> None:
    """A record of a newer version is verified, kept, and says that an upgrade is needed."""
    forged = Forged(place)
    forged.schema = (4711, bytes(range(32)))
    heard = await heard_of(forged)
    assert (heard.status, heard.event) == ("needs-upgrade", None)
    assert heard.value is not None
    assert heard.value[:5] == b"\x00" + (4711).to_bytes(4, "big")


async def test_an_unknown_schema_must_be_signed_too(place: MemoryPlace) -> None:
    """What cannot be decoded is no way round the signature."""
    forged = Forged(place)
    forged.schema = (4711, bytes(range(32)))
    forged.signer = place.world.keys("police-south")
    assert (await heard_of(forged)).problem == "key-foreign"


async def test_a_known_schema_id_with_another_fingerprint_is_invalid(place: MemoryPlace) -> None:
    """A schema id stands for one file for ever."""
    forged = Forged(place)
    forged.schema = (20, bytes(range(32)))
    assert (await heard_of(forged)).problem == "leaf-mismatch"


async def test_another_members_key_does_not_sign_for_the_issuer(place: MemoryPlace) -> None:
    """A registered key speaks for its own organisation alone."""
    forged = Forged(place)
    forged.signer = place.world.keys("police-south")
    assert (await heard_of(forged)).problem == "key-foreign"
    forged = Forged(place)
    forged.signer, forged.organisation = place.world.keys("police-south"), "police-south"
    forged.topic = "out.police-south"
    forged.deliver()
    assert (await hear(place))[-1].problem == "issuer-mismatch"


async def test_a_key_that_nobody_registered_is_unknown(place: MemoryPlace) -> None:
    """The directory is read again, and then the record is invalid."""
    forged = Forged(place)
    forged.signer = KeyRing.generate()
    assert (await heard_of(forged)).problem == "key-unknown"


async def test_an_entry_of_another_outbox_is_caught(place: MemoryPlace) -> None:
    """The leaf says which outbox it came through, and that is its issuer's."""
    forged = Forged(place)
    forged.topic = "out.police-south"
    assert (await heard_of(forged)).problem == "leaf-mismatch"


async def test_what_is_sealed_to_another_does_not_open(place: MemoryPlace) -> None:
    """The header can be read, and the delivery says that there is no key for the rest."""
    forged = Forged(place)
    forged.sealed_to = place.world.keys("police-south")
    heard = await heard_of(forged)
    assert (heard.status, heard.problem) == ("invalid", "not-sealed-to-us")
    assert heard.event is not None
    assert "unopened" in heard.event["sealed"]


@pytest.mark.parametrize("plaintext", [b"", b"\x00", b"\xff" * 40, b"\x02" * 2000])
async def test_sealed_content_that_does_not_fit_its_schema_is_reported(place: MemoryPlace, plaintext: bytes) -> None:
    """The hub cannot look inside, so the receiver does, strictly, and does not crash."""
    forged = Forged(place)
    forged.plaintext = plaintext
    heard = await heard_of(forged)
    assert heard.status == "invalid"
    assert heard.plaintext is None


async def test_deliveries_of_new_members_are_checked_against_a_fresh_directory(place: MemoryPlace) -> None:
    """A key registered after the subscriber began is learnt when it is first met."""
    ring = KeyRing.generate()
    async with place.subscriber(place.receiver) as subscriber:
        async with place.publisher("hub", keys=place.world.hub) as publisher:
            for event in place.world.registrations(place.sender, ring):
                assert (await publisher.publish(event)).outcome == "accepted"
        async with place.publisher(place.sender, keys=ring) as publisher:
            await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
        delivery = await anext(aiter(subscriber))
    assert delivery.status == "ok"


async def test_the_group_is_ones_own(place: MemoryPlace) -> None:
    """Kafka lets an organisation keep its place under its own name only."""
    with pytest.raises(NotAllowed):
        await hear(place, group="police-south")


@pytest.mark.parametrize("lanes", [(), ("bulk", "bulk"), ("express",)])
def test_lanes_that_do_not_exist_are_refused(place: MemoryPlace, lanes: tuple[str, ...]) -> None:
    """A lane is bulk or urgent, each at most once."""
    with pytest.raises(UsageError, match="bulk and urgent"):
        place.subscriber(place.receiver, lanes=lanes)


def test_the_made_up_ids_are_in_order(place: MemoryPlace) -> None:
    """Ids of later moments are greater: tests sort by them."""
    now_us = place.now_us()
    assert uuid7(now_us, bytes(8)) < uuid7(now_us + 1, bytes(8))
