"""The low-water mark against the plain definition of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.partner.progress import Mark, Progress


@given(
    count=st.integers(0, 12),
    order=st.permutations(range(12)),
    before=st.frozensets(st.integers(0, 11)),
    stop=st.integers(0, 12),
)
def test_the_mark_is_the_end_of_the_longest_run_of_handled_deliveries(
    count: int, order: list[int], before: frozenset[int], stop: int
) -> None:
    """Whatever the order of handling and what was handled before a restart, nothing unhandled is passed."""
    progress = Progress(Mark(100, None), before)
    handed = [seq for seq in range(count) if progress.hand_out(100 + 3 * seq, seq)]
    assert handed == [seq for seq in range(count) if seq not in before]
    done = {seq for seq in range(count) if seq in before}
    for seq in [seq for seq in order if seq in handed][:stop]:
        progress.done(100 + 3 * seq)
        progress.done(100 + 3 * seq)
        done.add(seq)
    run = next((seq for seq in range(count) if seq not in done), count)
    assert progress.mark == (Mark(100 + 3 * (run - 1) + 1, run - 1) if run else Mark(100, None))
    assert progress.ahead() == sorted(seq for seq in done if seq > run)
    assert progress.waiting == count - run
    assert progress.uncommitted() == (progress.mark if run else None)
    progress.committed(progress.mark)
    assert progress.uncommitted() is None


def test_unknown_numbers_are_ignored() -> None:
    """Saying done of what was never handed out moves nothing."""
    progress = Progress(Mark(0, None))
    progress.done(7)
    assert progress.mark == Mark(0, None)


def test_a_record_without_a_number_holds_the_mark_too() -> None:
    """What is too broken to have a number is passed only once it is handled, and leaves the number as it was."""
    progress = Progress(Mark(0, None))
    for offset, seq in ((4, 9), (5, None), (6, 10)):
        assert progress.hand_out(offset, seq)
    progress.done(4)
    progress.done(6)
    assert (progress.mark, progress.ahead()) == (Mark(5, 9), [10])
    progress.done(5)
    assert progress.mark == Mark(7, 10)
