"""A small ledger with its publisher and witnesses, all in memory and files, to make evidence of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.events import registry
from bus.evidence.build import DirectoryEvent, Kept, build, rests_on
from bus.evidence.exhibit import Evidence
from bus.evidence.published import Published
from bus.hub.tilefiles import RightEdge, write_files
from bus.tlog import Frontier, leaf_hash
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.policy import Policy
from bus.tlog.vkey import NoteKey
from tests.forge import now_us
from tests.unit.hub.support import MEMBERS, ORIGIN, World
from tests.unit.tlog.support import log_key, signed, witness_key

LOG = log_key(ORIGIN)
WITNESSES = [witness_key(f"{name}.example/witness") for name in ("north", "south", "west")]
POLICY_TEXT = "".join((
    f"log {LOG.verifier.encode()}\n",
    *(f"witness {key.verifier.name.partition('.')[0]} {key.verifier.encode()}\n" for key in WITNESSES),
    "group two 2 north south west\nquorum two\n",
))  # fmt: skip
POLICY = Policy.parse(POLICY_TEXT.encode())
DIRECTORY_TYPES = frozenset(info.id for info in registry.all_schemas() if info.directory)


def now_s() -> int:
    """The clock, in seconds."""
    return now_us() // 1_000_000


class Ledger:
    """A world whose notary's rows are kept, and published into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World().open()
        self._edge = RightEdge()
        self._read = 0
        self.kept: dict[int, Kept] = {}
        self.directory: list[DirectoryEvent] = []
        self.leaves: list[bytes] = []
        (folder / "log").mkdir(parents=True)
        (folder / "checkpoints").mkdir()
        (folder / "policy").write_text(POLICY_TEXT)
        self._take()

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.leaves)

    def say(self, count: int = 1, *, issuer: str = "pixelpost", to: Sequence[str] = ("lighthouse",)) -> list[int]:
        """Publish events, 256 to a batch; their indexes."""
        first = self.size
        events = [self.world.forge.event(issuer, sorted(to)) for _ in range(count)]
        sections = [self.world.forge.compose(issuer, event) for event in events]
        for at in range(0, count, 256):
            self.world.sequence(self.world.forge.sign(issuer, sections[at : at + 256]))
        self._take()
        assert self.size == first + count
        return list(range(first, self.size))

    def record(self, type_name: str, body: dict[str, Any] | None = None, *, step: str | None = None) -> int:
        """Let the hub record an event of the directory, the example if no body is given; its index."""
        event = self.world.forge.event("hub", ("hub",), type_name, step=step)
        event["body"] = event["body"] if body is None else body
        return self.say_this("hub", event)

    def say_this(self, issuer: str, event: dict[str, Any]) -> int:
        """Publish one event; its index."""
        built = self.world.sequence([self.world.forge.record(issuer, event)])
        self._take()
        assert self.size - 1 in self.kept, [item.reasons for items in built.items.values() for item in items]
        return self.size - 1

    def publish(self, *keys: NoteKey, time_s: int | None = None, log: NoteKey = LOG) -> int:
        """Write tiles and a checkpoint, cosigned by two witnesses unless said otherwise; its size."""
        new = self.leaves[self._edge.size :]
        if new:
            write_files(self.folder / "log", self._edge.grow(new))
        checkpoint = Checkpoint(ORIGIN, self.size, self._edge.frontier.root())
        assert checkpoint.root == Frontier().extend([leaf_hash(leaf) for leaf in self.leaves]).root()
        note = signed(checkpoint, log, *(keys or WITNESSES[:2]), time_s=time_s or now_s())
        (self.folder / "checkpoints" / str(self.size)).write_bytes(note.encode())
        return self.size

    def prove(self, index: int, *, policy: Policy = POLICY, newest: bool = False) -> Evidence:
        """The evidence of an event, as the command makes it."""
        published = Published(self.folder, policy)
        note = published.covering(index, newest=newest)
        tree = published.tree(note)
        rests = [self.kept[one] for one in rests_on(self.kept[index], self.directory, tree.size)]
        return build(self.kept[index], rests, tree=tree, note=note, earlier=published.earlier(index, tree))

    def _take(self) -> None:
        """Take over the rows of the flushes since the last time."""
        for built in self.world.built[self._read :]:
            rows = built.rows
            self.leaves += [row[1] for row in rows.entry]
            content = {row[0]: (row[1], row[2]) for row in rows.content}
            for index, schema_id, header, decision, signature in rows.record:
                body, sealed = content[index]
                self.kept[index] = Kept(index, self.leaves[index], header, decision, signature, body, sealed)
                if schema_id in DIRECTORY_TYPES:
                    self.directory.append(DirectoryEvent.read(index, schema_id, header, body))
        self._read = len(self.world.built)


__all__ = ["LOG", "MEMBERS", "ORIGIN", "POLICY", "POLICY_TEXT", "WITNESSES", "Ledger", "now_s"]
