"""Entries of lists kept elsewhere, as ``HashListing`` events, for every format that is a list.

Each entry has a chain of versions in the journal, ``KEY@1``, ``@2`` and so on, one per event that this organisation
published about it for one audience. A version that is known is published again under its own id, byte for byte; so
files may come again, in any order, and nothing is published twice.

=====================  ===================================  ============================================
the list has           the journal knows                    the event's step
=====================  ===================================  ============================================
an entry               nothing, or a retraction             ``listed``
an entry               the entry with another rating        ``reclassified``
an entry               the entry with other fingerprints    ``listed``, about the first, superseding the last
an entry               the same content                     none: there is nothing new to say
the end of an entry    the entry                            ``retracted``, or another step that ends it
the end of an entry    nothing                              none: counted
=====================  ===================================  ============================================

An entry whose key may be read from outside names itself in ``body.entry``. One that is known only by its
fingerprint has no such name: then ``body.entry`` is the id of the first event about it, which is random. A digest of
the fingerprint would tell everyone who has the same list which entry it is.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from msgspec import Struct

from bus.adapters.drafts import Context, Draft, ItemKey, Memory, Notice, Seen
from bus.errors import InvalidFile
from bus.events.ids import dashed

MAX_VERSIONS = 1000
"""Of one entry. A file that says more of one entry than this is no list."""

_VARIES = frozenset({"source_at", "classifications", "entry"})
"""Fields that the digest of an entry's content leaves out: the version and the rating speak for the first two."""

_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=-]{0,62}", re.ASCII)


class Entry(Struct, frozen=True):
    """One entry as a list has it now, or that it is there no longer.

    Attributes:
        key: by which the journal knows it; never published.
        place: where in the file it stands.
        label: what else tells a person which entry it is.
        time: when the list says it was changed, RFC 3339 with microseconds; empty if it does not say.
        rating: what a change of makes it ``reclassified``.
        body: fields of the event's body. Without ``entry``, the first event's id becomes its name.
        sealed: fields of the sealed part.
        ended: the step that ends it (``retracted``, ``withdrawn_by_survivor``); empty while it stands.
        part: which part of the entry this is, where one entry needs several events; ends the entry's name.
    """

    key: str
    place: str
    label: str = ""
    time: str = ""
    rating: str = ""
    body: dict[str, Any] = {}
    sealed: dict[str, Any] = {}
    ended: str = ""
    part: str = ""


class Lister:
    """Drafts events for the entries of one list, for one audience.

    Args:
        form: the format's name.
        list_id: the list.
        file: what to call the file in a notice.
        context: memory, audience, ids, and who hears of what is left out.
        mapping: counted up when entries map to other events than before: it makes every entry a new version.
        first: the step of a new entry.
    """

    def __init__(
        self, form: str, list_id: str, file: str, context: Context, *, mapping: int = 1, first: str = "listed"
    ) -> None:
        self._form, self._list_id, self._file, self._context = form, list_id, file, context
        self._mapping, self._first = mapping, first
        self._source = f"{list_id}/{context.circle}"

    def draft(self, entry: Entry) -> Draft | None:
        """The event for an entry; None, and a notice, if there is nothing to say.

        What stands in the file already, and says the same there, is not said a second time.

        Raises:
            InvalidFile: there are too many versions of the entry.
        """
        chain = _Chain(self._context.memory, self._form, self._source, entry.key)
        if len(chain.versions) >= MAX_VERSIONS:
            raise InvalidFile(self._file, entry.place, f"an entry has {MAX_VERSIONS:,} versions already")
        said = self._end(entry, chain) if entry.ended else self._stand(entry, chain)
        if isinstance(said, Draft):
            return said
        kind, _, text = said.partition(": ")
        label = f"{entry.label}: " if entry.label else ""
        self._context.tell(Notice(kind, self._file, entry.place, label + text))
        return None

    def _stand(self, entry: Entry, chain: _Chain) -> Draft | str:
        rating = digest(entry.rating)
        plain = {key: value for key, value in entry.body.items() if key not in _VARIES}
        content = digest(self._mapping, rating, canonical(plain), canonical(entry.sealed))
        version = digest(content, entry.time)
        place = chain.find(version)
        if place is not None:
            return self._again(entry, chain, place)
        before = chain.standing()
        stands = bool(before) and not before[-1].ends
        if stands and before[-1].content == content:
            return "unchanged: nothing new since it was published"
        changed = stands and before[-1].rating != rating and self._first == "listed"
        step, event_id = "reclassified" if changed else self._first, self._context.new_id()
        item = chain.append(event_id, step, version, content, rating)
        return self._event(entry, chain, event_id, step, before, item)

    def _end(self, entry: Entry, chain: _Chain) -> Draft | str:
        version = digest("ended", entry.ended, entry.time)
        place = chain.find(version)
        if place is not None:
            return self._again(entry, chain, place)
        before = chain.standing()
        if not before:
            return "unknown-tombstone: ended there, and never published here"
        if before[-1].ends:
            return "unchanged: ended already"
        event_id = self._context.new_id()
        item = chain.append(event_id, entry.ended, version, "-", "-")
        return self._event(entry, chain, event_id, entry.ended, before, item)

    def _again(self, entry: Entry, chain: _Chain, place: int) -> Draft | str:
        found, item = chain.known(place)
        if not self._context.memory.first_time(found.event_id):
            return "unchanged: it stands above already"
        return self._event(entry, chain, found.event_id, found.step, chain.standing(place), item)

    def _event(
        self, entry: Entry, chain: _Chain, event_id: bytes, step: str, before: list[Version], item: ItemKey
    ) -> Draft:
        """The event: about the first since the last end, superseding the last event."""
        self._context.memory.first_time(event_id)
        header: dict[str, Any] = {"event_id": dashed(event_id), "step": step, "purpose": "list_upkeep"}
        if before and not before[-1].ends:
            if step != "proposed":
                header["about"] = dashed(before[0].event_id)
            header["supersedes"] = dashed(before[-1].event_id)
        first = dashed(chain.versions[0].event_id if chain.versions else event_id)
        named = {"entry": f"{first}:{entry.part}" if entry.part else first}
        body = {"list_id": self._list_id, "source_list": self._list_id, **named, **entry.body}
        event: dict[str, Any] = {"type": "HashListing", "header": header, "body": body}
        if entry.sealed:
            event["sealed"] = entry.sealed
        place = f"{entry.place}, {entry.label}" if entry.label else entry.place
        return Draft(place, event, item, self._file)


class Version(Struct, frozen=True, gc=False):
    """One event about an entry, as the journal's note has it: step, digest of version, of content, of rating."""

    event_id: bytes
    step: str
    version: str
    content: str
    rating: str
    outcome: str

    @classmethod
    def of(cls, seen: Seen) -> Version:
        """Read a journal's note."""
        step, version, content, rating = seen.note.split()
        return cls(seen.event_id, step, version, content, rating, seen.outcome)

    @property
    def ends(self) -> bool:
        """Whether the entry stands no longer after it."""
        return self.step in {"retracted", "withdrawn_by_survivor"}


class _Chain:
    """The versions of one entry, oldest first, and how the next is put at its end."""

    def __init__(self, memory: Memory, form: str, source: str, key: str) -> None:
        self._memory, self._form, self._source, self._key = memory, form, source, key
        self.versions: list[Version] = []
        while (seen := memory.find(self._item(len(self.versions) + 1))) is not None:
            self.versions.append(Version.of(seen))

    def _item(self, number: int, note: str = "") -> ItemKey:
        return ItemKey(self._form, self._source, f"{self._key}@{number}", note)

    def standing(self, before: int | None = None) -> list[Version]:
        """The versions since the entry last ended that the hub has not refused."""
        found: list[Version] = []
        for version in self.versions[:before]:
            if version.outcome != "refused":
                found = [] if found and found[-1].ends else found
                found.append(version)
        return found

    def find(self, version: str) -> int | None:
        """The place of a version by its digest."""
        return next((i for i, v in enumerate(self.versions) if v.version == version), None)

    def known(self, place: int) -> tuple[Version, ItemKey]:
        """A version that is published again."""
        found = self.versions[place]
        note = f"{found.step} {found.version} {found.content} {found.rating}"
        return found, self._item(place + 1, note)

    def append(self, event_id: bytes, step: str, version: str, content: str, rating: str) -> ItemKey:
        """A new version at the end."""
        item = self._item(len(self.versions) + 1, f"{step} {version} {content} {rating}")
        self._memory.put(item, event_id)
        return item


def digest(*parts: object) -> str:
    """What tells two contents apart, in a journal's note."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def canonical(fields: dict[str, Any]) -> str:
    """Fields in an order of their own."""
    return repr(sorted(fields.items()))


def ref(text: str) -> str:
    """Somebody's id as a reference; one with other characters, or too long, by its digest."""
    return text if _REF.fullmatch(text) else f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:48]}"
