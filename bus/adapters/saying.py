"""Says events in a format, one after the other, and keeps count of what it could not say."""

from __future__ import annotations

from collections import Counter, OrderedDict

from bus.adapters.documents import Event, Unsaid, Written, pieces
from bus.adapters.formats import FORMATS

MAX_SUBJECTS = 10_000
"""Events that others may be about, of the types that the format joins with those."""


class Saying:
    """One run of a format over events.

    Attributes:
        written: how many events became documents.
        unsaid: how many did not, by type of event and reason.
        lost: how many events lost which field.
    """

    def __init__(self, form: str) -> None:
        self._form = FORMATS[form]
        self._subjects: OrderedDict[str, Event] = OrderedDict()
        self.written = 0
        self.unsaid: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[str] = Counter()

    def hear(self, event: Event) -> None:
        """Keep an event that a later one may be about, if the format joins the two."""
        if event["type"] in self._form.joins:
            self._subjects[event["header"]["event_id"]] = event
            if len(self._subjects) > MAX_SUBJECTS:
                self._subjects.popitem(last=False)

    def say(self, event: Event) -> Written | Unsaid:
        """An event as documents, counted; without the format's envelope."""
        said = pieces(event, self._form.name, subject=self._subjects.get)
        if isinstance(said, Unsaid):
            self.skip(event["type"], said.reason)
        else:
            self.written += 1
            self.lost.update(f"{event['type']} {path}" for path in said.lost)
        return said

    def skip(self, kind: str, reason: str) -> None:
        """Count an event that was not written."""
        self.unsaid[kind, reason] += 1

    def report(self) -> list[str]:
        """What was not written and what was lost, a sentence each; no values."""
        skipped = [f"{count} {kind}: {reason}" for (kind, reason), count in sorted(self.unsaid.items())]
        dropped = [f"{path}: not carried ({count} events)" for path, count in sorted(self.lost.items())]
        return skipped + dropped
