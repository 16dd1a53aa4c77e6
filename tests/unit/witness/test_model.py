"""Any requests in any order, with a crash between any two steps: the witness does as a list of entries does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, decode_signatures
from bus.tlog.witness import AddCheckpoint
from bus.witness.store import Store
from bus.witness.witness import Witness
from tests.unit.witness.support import NOW_S, Leaves, leaves, log_key, make_witness, note, proof

ORIGINS = ("log.example/one", "log.example/two")
SIZES = st.integers(0, 40)
FORKS = st.one_of(st.none(), st.integers(0, 40))
"""Where a log begins to lie: from this entry on, it shows others."""


def shown(size: int, fork: int | None) -> Leaves:
    """What a log shows of itself."""
    return leaves(size) if fork is None else leaves(min(size, fork)) + leaves(size, "fork")[fork:]


class WitnessMachine(RuleBasedStateMachine):
    """The model is, for each log, the entries that were cosigned last."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="witness-"))
        self.witness = make_witness(self.folder / "0", *ORIGINS)
        self.model: dict[str, Leaves] = dict.fromkeys(ORIGINS, ())
        self.lives = 0

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.witness.store.close()
        shutil.rmtree(self.folder)

    def expected(self, origin: str, old: int, entries: Leaves, *, is_true: bool, is_signed: bool) -> tuple[int, bytes]:
        """The status and, for a conflict, the body, by the words of the specification alone."""
        cosigned = self.model.get(origin)
        if cosigned is None:
            return 404, b""
        if not is_signed:
            return 403, b""
        if old > len(entries):
            return 400, b""
        if old != len(cosigned):
            return 409, b"%d\n" % len(cosigned)
        return (200 if is_true and entries[:old] == cosigned else 422), b""

    def asked(
        self, origin: str, old: int, size: int, fork: int | None, *, is_true: bool, is_signed: bool
    ) -> tuple[bytes, Leaves, tuple[int, bytes]]:
        """A request, the entries that it is about, and how it should be answered."""
        entries = shown(size, fork)
        path = proof(entries, old)
        if not is_true:
            path = (*path[:-1], bytes(32)) if len(path) % 2 else (*path, bytes(32))
        key = log_key(origin) if is_signed else log_key("else.example")
        body = AddCheckpoint(old, path, note(entries, key, origin=origin)).encode()
        return body, entries, self.expected(origin, old, entries, is_true=is_true, is_signed=is_signed)

    @rule(
        origin=st.sampled_from((*ORIGINS, "log.example/unknown")),
        old=st.one_of(st.none(), SIZES), size=SIZES, fork=FORKS,
        is_true=st.sampled_from((True, True, True, False)), is_signed=st.sampled_from((True, True, True, False)),
    )  # fmt: skip
    def ask(self, origin: str, old: int | None, size: int, fork: int | None, *, is_true: bool, is_signed: bool) -> None:
        """A log asks, mostly from where the witness is."""
        at = len(self.model.get(origin, ())) if old is None else old
        body, entries, (status, conflict) = self.asked(origin, at, size, fork, is_true=is_true, is_signed=is_signed)
        answer = self.witness.add_checkpoint(body)
        assert answer.status == status
        if conflict:
            assert answer.body == conflict
        if status == 200:
            assert (
                Note.decode(note(entries, origin=origin))
                .with_signatures(decode_signatures(answer.body))
                .verified([self.witness.key.verifier])
            )
            self.model[origin] = entries

    @rule(
        origin=st.sampled_from(ORIGINS), size=SIZES, fork=FORKS,
        at=st.integers(0, 12), torn=st.one_of(st.none(), st.floats(0, 1)),
    )  # fmt: skip
    def die(self, origin: str, size: int, fork: int | None, at: int, torn: float | None) -> None:
        """The process is killed at its ``at``-th step, or its last write is torn; the answer is never seen."""
        old = len(self.model[origin])
        body, entries, (status, _) = self.asked(origin, old, size, fork, is_true=True, is_signed=True)
        written = self._written()
        left = self._until_killed(lambda: self.witness.add_checkpoint(body), at)
        if torn is not None:
            wal = left / "witness.db-wal"
            now = wal.stat().st_size if wal.exists() else 0
            if now > written:
                with wal.open("r+b") as file:
                    file.truncate(written + int((now - written) * torn))
        self._live_on(left)
        may_be = {self.model[origin], entries} if status == 200 else {self.model[origin]}
        (self.model[origin],) = (one for one in may_be if self._remembers(origin, one))

    def _written(self) -> int:
        wal = Path(f"{self.witness.store.path}-wal")
        return wal.stat().st_size if wal.exists() else 0

    def _until_killed(self, work: Callable[[], object], at: int) -> Path:
        """What a process leaves on the disk that is killed before its ``at``-th statement, or before it answers."""
        left = self.folder / f"{self.lives + 1}"
        seen = 0

        def look(_statement: str) -> None:
            nonlocal seen
            if seen == at:
                self._copy(left)
            seen += 1

        self.witness.store._db.set_trace_callback(look)
        work()
        self.witness.store._db.set_trace_callback(None)
        if not left.exists():
            self._copy(left)
        return left

    def _copy(self, left: Path) -> None:
        """The files as another process would find them. The shared memory beside them dies with its users."""
        left.mkdir()
        for name in ("key", "witness.db", "witness.db-wal"):
            if (self.witness.store.path.parent / name).exists():
                shutil.copy(self.witness.store.path.parent / name, left / name)

    def _live_on(self, left: Path) -> None:
        key = self.witness.key
        self.witness.store.close()
        self.lives += 1
        self.witness = Witness(key, Store(left / "witness.db", key.verifier), lambda: NOW_S + self.lives)

    def _remembers(self, origin: str, entries: Leaves) -> bool:
        known = self.witness.store.find(origin)
        assert known is not None
        text = Checkpoint(origin, known.newest.size, known.newest.root).encode()
        return text == Note.decode(note(entries, origin=origin)).text

    @invariant()
    def memory_is_the_model(self) -> None:
        """The newest tree is that of the entries cosigned last, and the note that is shown says so."""
        for origin, entries in self.model.items():
            assert self._remembers(origin, entries)
            known = self.witness.store.find(origin)
            assert known is not None
            if known.note is not None:
                kept = Note.decode(known.note)
                assert kept.text == Note.decode(note(entries, origin=origin)).text
                assert len(kept.verified([self.witness.key.verifier, log_key(origin).verifier])) == 2


WitnessMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestWitness = WitnessMachine.TestCase
