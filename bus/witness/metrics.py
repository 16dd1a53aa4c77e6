"""What a witness counts, in the text form that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from bus.witness.store import Fork, KnownLog

CONTENT_TYPE: Final = "text/plain; version=0.0.4"

Sample = tuple[Mapping[str, str], int]


class Tally:
    """How many requests to cosign were answered with which status since the start."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter({200: 0})

    def count(self, status: int) -> None:
        """One more."""
        self._answers[status] += 1

    def text(self, logs: Iterable[KnownLog], forks: Iterable[Fork]) -> bytes:
        """All that a scrape gets."""
        known = list(logs)
        forked = Counter(fork.origin for fork in forks)
        families: list[tuple[str, str, str, list[Sample]]] = [
            (
                "safeguard_witness_answers_total", "counter", "Answers to add-checkpoint, by HTTP status.",
                [({"status": str(status)}, count) for status, count in sorted(self._answers.items())],
            ),
            (
                "safeguard_witness_size", "gauge", "Size of the newest tree of the log that was cosigned.",
                [({"origin": one.origin}, one.newest.size) for one in known],
            ),
            (
                "safeguard_witness_cosigned_timestamp_seconds", "gauge", "When that was; 0 for never.",
                [({"origin": one.origin}, one.time_s) for one in known],
            ),
            (
                "safeguard_witness_forks", "gauge", "Proofs kept that the log signed two trees of one size.",
                [({"origin": one.origin}, forked[one.origin]) for one in known],
            ),
        ]  # fmt: skip
        return "".join(_family(*family) for family in families).encode()


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    """A label's value, in which backslash, quote and newline are escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
