"""Which policy the log's own entries had brought into force, against the one that each entry was decided by. Pure.

``LogOpened`` names the first policy, and a ``PolicyAdopted`` of kind ``policy`` brings in another, word for word. From
then on the hub may decide by it; it has done so once the first leaf has its digest, and may not go back without
adopting the old one again. So whoever has the entries has the text of every policy that anything was decided by.
"""

from __future__ import annotations

from bus.trust.directory import Directory
from bus.verify.rows import fail


class Policies:
    """Carries the sequence of policies from entry to entry."""

    def __init__(self) -> None:
        self._announced: list[tuple[int, bytes]] = []
        self._at = 0
        self.used: list[bytes] = []
        """The policies that entries were decided by, in order."""
        self.unknown_from: int | None = None
        """From this entry on nothing can be told: an event of the directory was removed by a court."""

    def announced(self, directory: Directory) -> None:
        """Note what stands in the directory after its newest event."""
        one = directory.policy_in_force
        if one is not None and one not in self._announced[-1:]:
            self._announced.append(one)

    def gone(self, index: int) -> None:
        """An event of the directory is no longer there: it may have adopted anything."""
        self.unknown_from = index if self.unknown_from is None else self.unknown_from

    def entry(self, index: int, digest: bytes) -> None:
        """The next entry's policy must be the one in use, or one that came into force since.

        Raises:
            Wrong: it was never brought into force, or has been replaced.
        """
        if self.unknown_from is not None or not self._announced:
            return
        while self._announced[self._at][1] != digest:
            self._at += 1
            if self._at == len(self._announced):
                sentence = (
                    f"Entry {index} was decided by the policy {digest.hex()}, which the log's own entries had not "
                    "brought into force"
                )
                fail("policy", index, sentence, "entry")
        if not self.used or self.used[-1] != digest:
            self.used.append(digest)

    def told(self) -> str:
        """What was found, in a sentence."""
        if self.unknown_from is not None:
            return f"compared with what was adopted up to entry {self.unknown_from}, whose record was removed"
        waiting = len(self._announced) - 1 - self._at
        more = f"; {waiting} more adopted and not yet in use" if waiting > 0 else ""
        count = len(self.used)
        return f"{count} policies, each brought into force by the log's own entries before it was used{more}"
