"""What runs through the ledger from entry to entry: numbers, offsets, keys, receipts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bus.errors import BusError
from bus.events import registry
from bus.events.codec import assemble, decode, decode_decision
from bus.hub.receipts import reissue
from bus.hub.sequencer import items_of_rows
from bus.tlog.leaf import Leaf, Outcome
from bus.trust.batch import BatchVerifier
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import receipt_commitment
from bus.trust.directory import Continued, Directory
from bus.verify.erased import Erased
from bus.verify.policies import Policies
from bus.verify.rows import Row, fail, value_of


class Course:
    """Carries from one entry to the next what the next must fit."""

    def __init__(self, origin: str, *, whole: bool) -> None:
        """``whole``: the entries begin at 0, so every number and offset begins at 0 too."""
        self._origin = origin
        self._whole = whole
        self.offsets: dict[str, int] = {}
        self.seqs: dict[tuple[str, str], int] = {}
        self._directory = Directory()
        self.policies = Policies()
        self._verifier = BatchVerifier()
        self._told: list[Row] = []
        self._flushed: int | None = -1 if whole else None
        self.removed = 0
        self.erased = Erased()
        self.signatures = 0

    @property
    def continues(self) -> Continued | None:
        """The old log that this one says it goes on from."""
        return self._directory.continues

    def directory(self, rows: Sequence[Row]) -> None:
        """Take over directory events that come before the entries."""
        for row in rows:
            info = registry.by_id(row["schema_id"])
            if info is None or row["header"] is None or row["body"] is None:
                index = row["index"]
                fail("directory", index, f"Entry {index} is an event of the directory that cannot be read", "content")
            self._apply(row["index"], assemble(info, row["header"], row["body"], b"\0"))

    def entries(self, rows: Sequence[Row], leaves: Sequence[Leaf]) -> None:
        """The next entries, in order, each already checked by itself.

        Raises:
            Wrong: one does not follow from those before.
        """
        signed: list[tuple[int, BusSignature, bytes]] = []
        for row, leaf in zip(rows, leaves, strict=True):
            self._offset(row)
            opened = self._directory.origin is not None
            if opened:
                self.policies.entry(row["index"], leaf.policy_d)
            if leaf.outcome == Outcome.ACCEPTED:
                self._accepted(row, leaf, signed)
            if not opened:
                self.policies.entry(row["index"], leaf.policy_d)
        self._signed(signed)
        self._told.extend(rows)

    def _offset(self, row: Row) -> None:
        index, topic = row["index"], row["topic"]
        due = self.offsets.get(topic, 0 if self._whole else None)
        if due is not None and row["kafka_offset"] != due:
            sentence = f"Entry {index} covers {topic} from offset {row['kafka_offset']} on, and {due} was due"
            fail("offsets", index, sentence, "entry")
        self.offsets[topic] = row["last_offset"] + 1

    def _accepted(self, row: Row, leaf: Leaf, signed: list[tuple[int, BusSignature, bytes]]) -> None:
        index: int = row["index"]
        self.erased.entry(row, leaf)
        if row["record_index"] is None:
            self.removed += 1
            self.seqs.clear()
            self._whole = False
            info = registry.by_id(row["schema_id"])
            if info is None or info.directory:
                self.policies.gone(index)
            return
        self._decision(row)
        info = registry.by_id(row["schema_id"])
        value = value_of(row)
        if info is not None and info.directory:
            if value is None:
                self.policies.gone(index)
            else:
                self._apply(index, value)
        try:
            signed.append((index, BusSignature.decode(row["bus_signature"]), leaf.commitment))
        except BusError:
            fail("sender-signature", index, f"Entry {index} was accepted with a signature that is none", "record")

    def _decision(self, row: Row) -> None:
        """Each recipient's numbers go up by one."""
        index: int = row["index"]
        try:
            decision = decode_decision(row["decision"])
        except BusError:
            fail("decision-malformed", index, f"Entry {index}: its decision cannot be read", "record")
        for one in decision.recipients:
            if one.seq is None:
                continue
            before = self.seqs.get((one.org, one.lane), -1 if self._whole else None)
            if before is not None and one.seq != before + 1:
                sentence = f"Entry {index} is number {one.seq} for {one.org} ({one.lane}), and {before + 1} was due"
                fail("numbers", index, sentence, "record")
            self.seqs[one.org, one.lane] = one.seq

    def _apply(self, index: int, value: bytes) -> None:
        try:
            decoded = decode(value)
            self._directory = self._directory.apply(decoded.info, decoded.header, decoded.body, index)
            self.policies.announced(self._directory)
        except BusError:
            fail("directory", index, f"Entry {index} is an event of the directory that does not fit it", "entry")

    def _signed(self, signed: Sequence[tuple[int, BusSignature, bytes]]) -> None:
        """Every accepted event carries a signature of a key in the directory."""
        found = self._verifier.verify_many([(one, leaf) for _, one, leaf in signed], self._directory.public_key)
        for (index, _, _), reason in zip(signed, found, strict=True):
            if reason is not None:
                sentence = f"Entry {index} was accepted, and its sender's signature does not hold ({reason})"
                fail("sender-signature", index, sentence, "record")
        self.signatures += len(signed)

    # --- receipts ----------------------------------------------------------------------------------------------

    def flushes(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The receipt batches of the flushes that end with the entries so far.

        Raises:
            Wrong: a flush is missing, or its receipts are not what the hub signed.
        """
        batches: dict[int, list[Any]] = {}
        for row in rows:
            batches.setdefault(row["first_index"], []).append(tuple(row.values()))
        for first, some in sorted(batches.items()):
            self._flush(first, some)
        told = 0 if self._flushed is None else self._flushed + 1
        if self._told and told > self._told[0]["index"]:
            del self._told[: told - self._told[0]["index"]]

    def _flush(self, first: int, batches: Sequence[Any]) -> None:
        last: int = batches[0][1]
        if self._flushed is not None and first != self._flushed + 1:
            sentence = f"The receipts of entry {self._flushed + 1} are not kept, or twice: the next are of {first}"
            fail("receipts", self._flushed + 1, sentence, "flush")
        self._flushed = last
        begun = self._told[0]["index"] if self._told else last + 1
        members = self._told[max(first - begun, 0) : last + 1 - begun]
        if len(members) != last - first + 1:
            return  # it began before the entries that were read
        numbers = [(one[1], one[2]) for one in batches]
        run = f"entries {first} to {last}"
        if numbers != [(last, number) for number in range(len(batches))]:
            fail("receipts", first, f"The receipts of {run} are kept in batches that do not fit together", "flush")
        if not self._holds(first, members, batches):
            sentence = (
                f"The receipts of {run} are not those that the hub signed: an outcome, reason or batch was changed"
            )
            fail("receipts", first, sentence, "flush")

    def _holds(self, first: int, members: Sequence[Row], batches: Sequence[Any]) -> bool:
        items = items_of_rows(members)
        receipt = registry.by_name("Receipt")
        try:
            records = reissue(self._origin, items, batches)
            signed = [
                (BusSignature.decode(record.headers[0][1]), receipt_commitment(receipt.fingerprint, record.value[5:]))
                for record in records
                if record.value is not None
            ]
        except (BusError, ValueError, LookupError):  # batches that are more than the receipts, too
            return False
        keys = {one.batch.key_id for one, _ in signed}
        right = len(records) >= len(items) and keys == {bytes(one[3]) for one in batches}
        if not right or any(one.batch.organisation != "hub" or one.batch.origin != self._origin for one, _ in signed):
            return False
        return first >= 0 and not any(self._verifier.verify_many(signed, self._directory.public_key))

    def end(self, size: int) -> None:
        """The last flush ends with the last entry, and whatever content is gone was let go.

        Raises:
            Wrong: it does not, or was not.
        """
        if self._flushed is not None and self._flushed != size - 1:
            sentence = f"The receipts of entry {self._flushed + 1} are not kept"
            fail("receipts", self._flushed + 1, sentence, "flush")
        self.erased.end()
