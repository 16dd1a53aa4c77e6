"""Who answered a recall: one row for each who must, from the decision and the acknowledgements alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.audit.compliance import COLUMNS, compliance

RECALL = {"event_id": "0199f3c0-0000-7000-8000-000000000000", "index": 7, "time_us": 0}
ORGS = ("beacon", "chirpnest", "lighthouse")


def told(*orgs: str, allow: bool = True) -> list[dict[str, Any]]:
    """A decision."""
    return [{"org": org, "allow": allow, "reason": "audience"} for org in orgs]


def ack(org: str, step: str, minutes: float) -> dict[str, Any]:
    """An acknowledgement so many minutes after the recall."""
    return {"issuer": org, "step": step, "time_us": int(minutes * 60_000_000)}


def test_everyone_who_was_told_answers_or_is_missing() -> None:
    """Fetching is no answer; minutes are from the recall to the answer; who was not told owes none."""
    acks = [ack("beacon", "fetched", 1), ack("lighthouse", "fetched", 2), ack("lighthouse", "complied", 7.5)]
    decision = [*told("beacon", "chirpnest", "lighthouse"), *told("pixelpost", allow=False)]
    found = compliance(RECALL, decision, acks)
    assert {name: found[name] for name in ("recipients", "fetched", "complied", "cannot", "missing")} == {
        "recipients": 3, "fetched": 2, "complied": 1, "cannot": 0, "missing": 2,
    }  # fmt: skip
    who = {line["org"]: line for line in found["who"]}
    assert (who["lighthouse"]["minutes"], who["lighthouse"]["missing"]) == (7.5, False)
    assert (who["beacon"]["fetched"] is not None, who["beacon"]["missing"]) == (True, True)
    assert who["pixelpost"]["missing"] is None
    assert set(who["beacon"]) == set(COLUMNS)


def test_who_could_not_and_then_did_has_complied() -> None:
    """The later, better answer counts, with its time."""
    found = compliance(RECALL, told("beacon"), [ack("beacon", "cannot", 1), ack("beacon", "complied", 60)])
    assert (found["complied"], found["cannot"], found["who"][0]["minutes"]) == (1, 0, 60.0)


@given(st.lists(st.tuples(st.sampled_from([*ORGS, "stranger"]), st.sampled_from(["fetched", "complied", "cannot"]))))
def test_answered_and_missing_are_all(acks: list[tuple[str, str]]) -> None:
    """Whatever is acknowledged by whom: each who was told stands in exactly one of complied, cannot and missing."""
    found = compliance(RECALL, told(*ORGS), [ack(org, step, n) for n, (org, step) in enumerate(acks)])
    assert found["complied"] + found["cannot"] + found["missing"] == found["recipients"] == len(ORGS)
    assert found["fetched"] == len({org for org, step in acks if step == "fetched" and org in ORGS})
