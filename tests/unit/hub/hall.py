"""A notary and a clerk in memory, and a clock that a test turns: months pass in a moment."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bus.events import registry
from bus.events.clock import format_us
from bus.events.codec import decode_body, decode_decision, decode_header
from bus.events.ids import dashed
from bus.hub.casebook import Casebook
from bus.hub.cases import Seen
from bus.hub.clerk import Outbox
from bus.hub.statements import Said, Voice, say
from bus.kafka.records import Outgoing
from bus.paths import ops_dir
from bus.trust.adoptions import adoption
from tests.forge import now_us
from tests.unit.hub.support import ORIGIN, World

SHIPPED = (ops_dir() / "deadlines.toml").read_text(encoding="utf-8")
VERIFIED = SHIPPED.replace(
    'evidence = "partly"\nenforce = false\n\n[deadline.arachnid',
    'evidence = "partly"\nverified_by = "a.reader"\nenforce = true\n\n[deadline.arachnid',
)
"""The shipped table, with the row of 24 hours verified and switched on."""
HOUR = 3_600_000_000
MEMBERS = {
    "pixelpost": ("US", "platform"),
    "chirpnest": ("IN", "platform"),
    "lighthouse": ("DE", "hotline"),
    "polder-police": ("NL", "police"),
    "ministry": ("GB", "authority"),
}


class _Nowhere:
    async def send_all(self, records: list[Outgoing]) -> None:
        """Nothing is written: the test hands the records on."""


class Hall(World):
    """The world with a table adopted; time is what the test says."""

    def __init__(self, table: str = VERIFIED) -> None:
        super().__init__(MEMBERS)
        self.open()
        self.now_us = now_us()
        self.adopt(table)
        self.delivered: dict[int, int] = {}
        self.parked: set[str] = set()

    def adopt(self, table: str) -> list[int]:
        """Bring a table into force; give the outcome of each part."""
        bodies: list[dict[str, Any]] = adoption("deadlines", "deadlines", table)
        return [self.outcome(self.directory_event("PolicyAdopted", body), self.now_us)[0] for body in bodies]

    def tell(
        self, issuer: str, to: tuple[str, ...], type_name: str, step: str, **given: Any
    ) -> tuple[bytes, str | None]:
        """Publish an event now; its id, and why it was refused, if it was."""
        event = self.forge.event(issuer, to, type_name, step=step)
        body, about = given.pop("body", {}), given.pop("about", None)
        header = {k: v for k, v in event["header"].items() if k not in {"effect_at", "due_at", "deadline"}}
        if about is not None:
            header |= {
                "about": dashed(about),
                "thread": self.accepted[about].thread.hex(),
                "lane": self.accepted[about].lane,
            }
        header.pop("supersedes", None)
        times = {k: format_us(v) for k, v in given.items() if k in {"effect_at", "due_at", "issued_at"}}
        event["header"] = header | {"issued_at": format_us(self.now_us)} | given | times
        event["body"] |= body
        record = self.forge.record(issuer, event)
        outcome, reason = self.outcome(record, self.now_us)
        assert (outcome == 1) == (reason is None)
        return self.built[-1].rows.entry[-1][9].bytes, reason

    def notice(self, deadline: str = "au-class1", **given: Any) -> bytes:
        """A ministry asks a platform, and the police hear of it; it is delivered at once."""
        body = {"renotify_every_h": None, **given.pop("body", {})}
        event_id, reason = self.tell(
            "ministry", ("pixelpost", "polder-police"), "TakedownNotice", "issued",
            addressee="pixelpost", deadline=deadline, body=body, **given,
        )  # fmt: skip
        assert reason is None
        self.delivered[self.accepted[event_id].index] = self.state.time_us
        self.later(0.001)
        return event_id

    def act(self, about: bytes, step: str, issuer: str = "pixelpost", **given: Any) -> str | None:
        """Something happens to a notice."""
        return self.tell(issuer, ("ministry",), "TakedownAction", step, about=about, **given)[1]

    def later(self, hours: float) -> None:
        """Time passes."""
        self.now_us += round(hours * HOUR)

    def seen(self) -> list[Seen]:
        """All accepted events, as the clerk's query gives them."""
        found: list[Seen] = []
        for built in self.built:
            times = {row[0]: row[4] for row in built.rows.entry}
            bodies = {row[0]: row[1] for row in built.rows.content}
            for index, schema_id, header, decision, _ in built.rows.record:
                info = registry.by_id(schema_id)
                assert info is not None
                head = decode_header(info, header)
                body = decode_body(info, bodies[index], head.step)
                found.append(Seen(index, times[index], info, head, body, decode_decision(decision)))
        return found

    def clerk(self) -> Clerk:
        """A clerk that has read nothing yet."""
        return Clerk(self)

    def said(self) -> list[str]:
        """What the hub said of deadlines, in the ledger's order."""
        mine = [one for one in self.seen() if one.header.issuer == "hub" and not one.info.directory]
        return [f"{one.header.step}" for one in mine]

    def refusals(self) -> Counter[str]:
        """Why records were refused, and how often."""
        rows = [row for built in self.built for row in built.rows.entry if row[3] == 3]
        return Counter(row[-1][0] for row in rows)


class Clerk:
    """A clerk over a hall's ledger: reads, and says what falls due."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.book = Casebook()
        self.voice = Voice(ORIGIN, b"s" * 32, "hub-agreement@2024")
        self._read = 0

    def read(self) -> None:
        """Take in what is new."""
        for seen in [one for one in self.hall.seen() if one.index >= self._read]:
            if self.book.concerns(seen.info.name, seen.header.about, seen.header.addressee):
                self.book.add(seen)
            self._read = seen.index + 1
        for case, org in self.book.undelivered():
            if case.index in self.hall.delivered and org not in self.hall.parked:
                self.book.delivered(case, org, self.hall.delivered[case.index])

    def owed(self) -> list[Said]:
        """What it would say now."""
        taken = {one.header.event_id for one in self.hall.seen() if one.header.issuer != "hub"}
        return [say(self.voice, owed, self.hall.now_us, taken) for owed in self.book.owed(self.hall.now_us)]

    def speak(self, said: list[Said] | None = None) -> list[tuple[int, str | None]]:
        """Say it: the notary's outcome for each statement."""
        found: list[tuple[int, str | None]] = []
        outbox = Outbox(ORIGIN, self.hall.rings["hub"].signing, _Nowhere())  # pyright: ignore[reportArgumentType]
        for one in self.owed() if said is None else said:
            (record,) = outbox._sign(one.header.lane, [one], self.hall.now_us)
            found.append(self.hall.outcome(record, self.hall.now_us))
        return found

    def work(self) -> list[tuple[int, str | None]]:
        """One round."""
        self.read()
        return self.speak()
