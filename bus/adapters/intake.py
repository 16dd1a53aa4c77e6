"""From an input to events that are ready to publish, in two passes that do the same.

The first pass only checks, and must come to the end before the second hands out what is sent: so nothing of a
broken input is ever published. Both hold one event at a time, and beside it what later events of the same input
may refer to: ids, threads and lanes, beyond some thousands in a file (:mod:`bus.adapters.shelf`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any

from bus.adapters.differing import differing, in_words
from bus.adapters.drafts import Context, Draft, Input, ItemKey, Memory, Notice, Seen, Tell
from bus.adapters.formats import FORMATS, reader
from bus.adapters.shelf import Shelf
from bus.adapters.source import Source
from bus.errors import IdConflict, InvalidEvent, InvalidFile, Malformed, UsageError
from bus.events.clock import Clock
from bus.events.codec import MAX_BODY, MAX_HEADER, MAX_SEALED
from bus.events.ids import dashed, uuid7
from bus.events.jsonform import Parts, parse_event
from bus.events.unlisted import Unlisted, unlisted
from bus.nearest import did_you_mean
from bus.partner import compose
from bus.partner.journal import Item, Journal
from bus.partner.known import NOBODY, read_directory, strangers, unsealable
from bus.partner.profile import Profile
from bus.trust.directory import Directory

_DIGEST, _THREAD = 32, 16
_WRAP = 1210
_PADDING = 512
"""What sealing adds: a wrap for each recipient, and padding."""


class Intake:
    """Reads inputs of one format for one organisation and one audience.

    Args:
        profile: who publishes.
        journal: what it published before.
        form: one of :data:`bus.adapters.formats.READING`.
        to: replaces every audience, unless None.
        clock: dates what is made.
        tell: hears of what is left out; in the first pass only.
        odd: hears of codes that no list has, with their file and place; in the first pass only.
    """

    def __init__(
        self,
        profile: Profile,
        journal: Journal,
        *,
        form: str,
        to: Sequence[str] | None,
        clock: Clock,
        tell: Tell,
        odd: Callable[[str, str, Unlisted], None] | None = None,
    ) -> None:
        self._profile, self._journal, self._clock, self._tell = profile, journal, clock, tell
        self._odd = odd
        self._form = FORMATS[form]
        self._to = None if to is None else tuple(sorted(set(to)))
        self._sealed_for: dict[str, tuple[str, str]] = {}
        self._named_at: dict[str, tuple[str, str]] = {}
        self._count = 0
        if not self._form.names_audience and self._to is None and profile.audience is None:
            raise UsageError("nobody is named to hear it", hint="Give --to ORG, or an audience in the profile.")

    def check(self, *sources: Source) -> int:
        """Read all files; how many events there are.

        Raises:
            InvalidFile: at the first thing that is wrong, with its place. Of an event under a known id that is first
                what is wrong with it, then that it differs, and in which fields.
        """
        self._count = 0
        for _ in self._ready(sources, self._tell):
            self._count += 1
        return self._count

    async def check_reach(self) -> None:
        """See that everybody for whom something of a checked input is sealed has a key to seal it with.

        Raises:
            InvalidFile: somebody has none; it names the first event for that organisation.
            Unavailable, NotAllowed: the directory cannot be read.
        """
        if self._count < 2 or not self._sealed_for:
            return  # of a single event nothing can be half-published
        now_us = self._clock.now_us()
        directory = await read_directory(self._profile, "bus-publish")
        self._check_keys(directory, now_us)

    async def check_named(self) -> None:
        """See that the directory has everybody whom a checked input names, and a key for whom something is sealed.

        Raises:
            InvalidFile: it has not; it names the first event for that organisation.
            Unavailable, NotAllowed: the directory cannot be read.
        """
        directory = await read_directory(self._profile, "bus-publish")
        for org, near in strangers(directory, self.audience).items():
            file, place = self._named_at[org]
            hint = did_you_mean(near) or NOBODY
            raise InvalidFile(file, place, f"header.audience: the directory has no {org}", hint=hint)
        self._check_keys(directory, self._clock.now_us())

    def _check_keys(self, directory: Directory, now_us: int) -> None:
        for org, (file, place) in self._sealed_for.items():
            if not directory.sealing_keys(org, now_us):
                error = unsealable(directory, org)
                raise InvalidFile(file, place, f"{error.path}: {error.rule}", hint=_hint(error))

    @property
    def audience(self) -> list[str]:
        """Whom the new events of a checked input name, sorted."""
        return sorted(self._named_at)

    async def strangers(self) -> dict[str, list[str]]:
        """Who of the audience the directory does not have, each with the ids that are most like it.

        Raises:
            Unavailable, NotAllowed: the directory cannot be read.
        """
        return strangers(await read_directory(self._profile, "bus-publish"), self.audience)

    def ready(self, *sources: Source) -> Iterator[compose.Draft]:
        """Read checked files again, as what :meth:`bus.partner.Publisher.publish` takes.

        Raises:
            InvalidFile: the input was changed since.
        """
        return self._ready(sources, None)

    def _ready(self, sources: Sequence[Source], tell: Tell | None) -> Iterator[compose.Draft]:
        """One pass; the first is the one that tells."""
        with closing(Shelf(self._profile.journal_home / "tmp")) as shelf:
            run = _Run(self._journal, shelf)
            for file, draft in self._drafts(sources, run.memory, tell or _nobody):
                try:
                    yield self._one(draft, run, file, first=tell is not None)
                except InvalidEvent as error:
                    rule = f"{error.path}: {error.rule}"
                    raise InvalidFile(file, draft.place, rule, hint=_hint(error)) from None
                except IdConflict as error:
                    raise InvalidFile(file, draft.place, error.message, hint=error.hint) from None
                except UnicodeEncodeError:
                    raise InvalidFile(file, draft.place, "a text is not Unicode") from None
            for source in sources:
                source.check_unchanged()

    def _drafts(self, sources: Sequence[Source], memory: Memory, tell: Tell) -> Iterator[tuple[str, Draft]]:
        """The format's own drafts, each with the file that it comes from."""
        audience = self._to
        if audience is None and not self._form.names_audience:
            audience = self._profile.audience or ()
        context = Context(memory, audience, self._new_id, tell, self._profile.organisation)
        drafts = reader(self._form.name)
        groups = [sources] if self._form.together else [(source,) for source in sources]
        for group in groups:
            for draft in drafts([Input(source.again(), source.name) for source in group], context):
                yield draft.file or group[0].name, draft

    def _one(self, draft: Draft, run: _Run, file: str, *, first: bool) -> compose.Draft:
        """One event with all its fields, checked; one that the journal has needs no more than its id."""
        event = draft.event
        if self._to is not None:
            event["header"]["audience"] = list(self._to)
        content = sha256(draft.item.note.encode()).digest() if draft.item and draft.item.note else None
        content = content or compose.content_digest(event)
        given = compose.given_id(event)
        assert given is not None
        item = draft.item and Item(draft.item.format, draft.item.source, draft.item.key, draft.item.note)
        filler = compose.fill(self._profile, now_us=self._clock.now_us(), subjects=run.subject)
        try:
            known = run.is_known(given, content)
        except IdConflict as error:
            raise run.explained(error, given, event, parse_event(event, filler)) from None
        if known:
            return compose.Draft(event, item, content)
        parts = parse_event(event, filler)
        ready = compose.Draft(parts, item, content)
        if first:
            _check_sizes(compose.compose(ready, filler, content))
            self._note_audience(parts, (file, draft.place))
            if self._odd is not None:
                for found in unlisted(parts):
                    self._odd(file, draft.place, found)
        run.remember(parts.header.event_id, content, (parts.header.thread, parts.header.lane))
        return ready

    def _note_audience(self, parts: Parts, place: tuple[str, str]) -> None:
        for org in parts.header.audience:
            self._named_at.setdefault(org, place)
            if parts.plaintext is not None:
                self._sealed_for.setdefault(org, place)

    def _new_id(self) -> bytes:
        return uuid7(self._clock.now_us(), secrets.token_bytes(8))


class _Run:
    """What one pass over an input knows: the journal, and what it has made itself."""

    def __init__(self, journal: Journal, shelf: Shelf) -> None:
        self._journal, self._shelf = journal, shelf
        self.memory = Memory(self._look_up, shelf)

    def _look_up(self, key: ItemKey) -> Seen | None:
        state = self._journal.item(Item(key.format, key.source, key.key))
        return None if state is None else Seen(state.event_id, state.step, state.outcome)

    def is_known(self, event_id: bytes, content: bytes) -> bool:
        """Whether the journal has this event.

        Raises:
            IdConflict: the id has other content, here or in the journal.
        """
        made = self._shelf.get(b"made" + event_id)
        if made is not None and made[:_DIGEST] != content:
            raise IdConflict(f"event {dashed(event_id)} stands above with other content")
        return self._journal.check(event_id, content) is not None

    def explained(self, error: IdConflict, event_id: bytes, event: Mapping[str, Any], parts: Parts) -> IdConflict:
        """The error of an event that holds, under an id with other content: with what differs, where that is known."""
        kept = self._journal.find(event_id)
        if kept is None or self._shelf.get(b"made" + event_id) is not None:
            return error
        try:
            return IdConflict(f"{error.message}: {in_words(differing(event, parts, kept.value))}")
        except Malformed:  # published by a version that this one cannot read; it is other content still
            return error

    def remember(self, event_id: bytes, content: bytes, subject: tuple[bytes, str]) -> None:
        """Keep an event for those below it."""
        thread, lane = subject
        self._shelf.put(b"made" + event_id, content + thread + lane.encode())

    def subject(self, event_id: bytes) -> tuple[bytes, str] | None:
        """The thread and lane of an event of this input, or of the journal."""
        made = self._shelf.get(b"made" + event_id)
        if made is None:
            return self._journal.subject(event_id)
        return made[_DIGEST : _DIGEST + _THREAD], made[_DIGEST + _THREAD :].decode()


def _nobody(_notice: Notice) -> None:
    """Nobody is told twice."""


def _check_sizes(event: compose.Composed) -> None:
    """The caps of formats §2, before anything is sealed."""
    room = MAX_SEALED - _PADDING - _WRAP * len(event.header.audience)
    for name, size, cap in (
        ("header", len(event.header_bytes), MAX_HEADER),
        ("body", len(event.body_bytes), MAX_BODY),
        ("sealed", len(event.plaintext or b""), room),
    ):
        if size > cap:
            raise InvalidEvent(name, f"is longer than {cap} bytes")


def _hint(error: InvalidEvent) -> str:
    return f"{error.hint} Nothing was published." if error.hint else ""
