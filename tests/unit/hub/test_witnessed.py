"""Witnesses are asked how much of a log they have cosigned, and cosign nothing by being asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import StartRefused
from bus.hub.config import PublisherConfig
from bus.hub.witnessed import Held, any_note, ask_witnesses, check_witnesses
from bus.tlog.note import Note
from bus.tlog.policy import Witness as Named
from bus.witness.service import listening
from bus.witness.witness import Witness
from tests.unit.witness.support import NOW_S, leaves, log_key, make_witness, note, request


def grow(witness: Witness, *sizes: int) -> None:
    """Cosign a log's trees, one after another."""
    old = 0
    for size in sizes:
        assert witness.add_checkpoint(request(leaves(size), old)).status == 200
        old = size


def named(witness: Witness, url: str) -> Named:
    """The witness as a policy has it."""
    return Named(witness.key.verifier.name, witness.key.verifier, url)


@pytest.mark.parametrize("held", [1, 2, 3, 4, 5, 7, 9])
async def test_a_witness_says_its_size_and_cosigns_nothing(held: int, tmp_path: Path) -> None:
    """Wherever it is, below, at and above the checkpoint that is asked with, its memory stays as it was."""
    witness = make_witness(tmp_path / "witness")
    grow(witness, held)
    before = witness.store.logs()
    later = Witness(witness.key, witness.store, lambda: NOW_S + 60)
    async with listening(later) as url:
        found = await ask_witnesses([named(witness, url)], note(leaves(5)))
    assert found == [Held(named(witness, url).name, held)]
    assert witness.store.logs() == before


async def test_a_witness_that_has_seen_nothing_says_so(tmp_path: Path) -> None:
    """A new witness is at 0 and stays there."""
    witness = make_witness(tmp_path / "witness")
    async with listening(witness) as url:
        found = await ask_witnesses([named(witness, url)], note(leaves(5)))
    assert found[0].size == 0
    assert witness.store.logs()[0].newest.size == 0


async def test_one_that_is_away_or_does_not_know_the_log_is_named(tmp_path: Path) -> None:
    """No size, and why."""
    witness = make_witness(tmp_path / "witness", "log.example/another")
    gone = Named("gone", witness.key.verifier, "http://127.0.0.1:1")
    async with listening(witness) as url:
        found = await ask_witnesses([named(witness, url), gone], note(leaves(5)))
    assert [one.size for one in found] == [None, None]
    assert all(one.error for one in found)


async def test_a_ledger_that_is_older_than_a_witness_is_refused(tmp_path: Path) -> None:
    """The sentence says which witness has how much, and the hint names the repair; a ledger as large is fine."""
    witness = make_witness(tmp_path / "witness")
    grow(witness, 5, 9)
    folder = tmp_path / "publisher"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "5").write_bytes(note(leaves(5)))
    async with listening(witness) as url:
        lines = [f"log {log_key().verifier.encode()}", f"witness north {witness.key.verifier.encode()} {url}"]
        (folder / "policy").write_text("\n".join([*lines, "quorum north", ""]))
        config = PublisherConfig("", folder, None)
        with pytest.raises(StartRefused, match=r"the ledger has 8 entries.*\(north 9\)") as caught:
            await check_witnesses(config, 8, None)
        await check_witnesses(config, 9, None)
    assert "bus hub repair" in caught.value.hint
    await check_witnesses(config, 8, None)


def test_a_checkpoint_to_ask_with_is_found_wherever_one_is_left(tmp_path: Path) -> None:
    """The served one, else the newest kept, else the database's; what is no checkpoint is passed over."""
    config = PublisherConfig("", tmp_path, None)
    assert any_note(config) is None
    assert any_note(config, b"of the database") == b"of the database"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "log").mkdir()
    for size in (9, 10):
        (tmp_path / "checkpoints" / str(size)).write_bytes(note(leaves(size)))
    assert any_note(config) == note(leaves(10))
    (tmp_path / "log" / "checkpoint").write_bytes(b"truncat")
    assert any_note(config) == note(leaves(10))
    (tmp_path / "log" / "checkpoint").write_bytes(note(leaves(4)))
    found = any_note(config)
    assert found is not None
    assert Note.decode(found).text.split(b"\n")[1] == b"4"
