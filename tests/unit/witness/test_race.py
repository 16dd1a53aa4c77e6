"""Requests at the same moment: one goes on, the others learn where the witness is."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bus.tlog.witness import AddCheckpoint
from bus.witness.store import Store
from bus.witness.witness import Answer, Witness
from tests.patience import PATIENT_S
from tests.unit.witness.support import ORIGIN, Leaves, leaves, make_witness, note, proof, root

RACERS = 4


def test_of_several_trees_at_once_one_is_cosigned(tmp_path: Path) -> None:
    """Connections of their own, as processes have, are told to go on from one size in different ways, again and again.

    In every round exactly one is cosigned and the others get a conflict that names its size.
    """
    first = make_witness(tmp_path / "witness")
    racers = [Witness(first.key, Store(first.store.path, first.key.verifier)) for _ in range(RACERS)]
    barrier = Barrier(RACERS)
    cosigned: Leaves = ()

    def race(racer: int, entries: Leaves, old: int) -> Answer:
        body = AddCheckpoint(old, proof(entries, old), note(entries)).encode()
        barrier.wait(PATIENT_S)
        return racers[racer].add_checkpoint(body)

    with ThreadPoolExecutor(RACERS) as threads:
        for turn in range(40):
            shown = [cosigned + leaves(racer + 1, f"{turn}.{racer}.") for racer in range(RACERS)]
            answers = list(threads.map(race, range(RACERS), shown, [len(cosigned)] * RACERS))
            assert Counter(answer.status for answer in answers) == {200: 1, 409: RACERS - 1}
            (winner,) = (entries for entries, answer in zip(shown, answers, strict=True) if answer.status == 200)
            assert {answer.body for answer in answers if answer.status == 409} == {b"%d\n" % len(winner)}
            cosigned = winner
    known = first.store.find(ORIGIN)
    assert known is not None
    assert (known.newest.size, known.newest.root) == (len(cosigned), root(cosigned))
    for one in (first, *racers):
        one.store.close()


def test_a_look_and_a_step_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that has looked and not yet stepped holds all others off: the older tree never overwrites the newer."""
    slow = make_witness(tmp_path / "witness")
    quick = Witness(slow.key, Store(slow.store.path, slow.key.verifier))
    looked, asked = Barrier(2), Barrier(2)
    find = slow.store.find

    def dawdle(origin: str) -> object:
        known = find(origin)
        looked.wait(PATIENT_S)
        asked.wait(PATIENT_S)
        return known

    monkeypatch.setattr(slow.store, "find", dawdle)
    with ThreadPoolExecutor(2) as threads:
        small = threads.submit(slow.add_checkpoint, AddCheckpoint(0, (), note(leaves(3))).encode())
        looked.wait(PATIENT_S)
        large = threads.submit(quick.add_checkpoint, AddCheckpoint(0, (), note(leaves(9))).encode())
        with pytest.raises(TimeoutError):
            large.result(0.2)
        asked.wait(PATIENT_S)
        assert (small.result(PATIENT_S).status, large.result(PATIENT_S).status) == (200, 409)
    assert large.result().body == b"3\n"
    for one in (slow, quick):
        one.store.close()
