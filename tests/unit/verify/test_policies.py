"""Which policy entries were decided by must have been said in the log before; an auditor holds one against the other."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from bus.errors import StartRefused
from bus.hub.load import check_policy
from bus.ledger.store import Head
from bus.paths import ops_dir
from bus.policy import Policy
from bus.trust.adoptions import adoption
from bus.trust.directory import Directory
from bus.verify.fault import Wrong
from bus.verify.policies import Policies
from tests.unit.hub.support import World

FIRST = (ops_dir() / "policy.toml").read_text(encoding="utf-8")
SECOND = FIRST + "# the second\n"
ONE, TWO, OTHER = (sha256(text.encode()).digest() for text in (FIRST, SECOND, "other"))


class Last:
    """A ledger that knows its last leaf."""

    def __init__(self, leaf: bytes) -> None:
        self._leaf = leaf

    async def fetch(self, _query: str, *_range: int) -> list[dict[str, bytes]]:
        """Its row."""
        return [{"leaf": self._leaf}]


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def adopt(world: World, text: str) -> Directory:
    """Bring a policy into force."""
    for body in adoption("policy", "policy", text):
        world.send("PolicyAdopted", body)
    return world.state.directory


def test_entries_follow_the_policies_that_were_brought_into_force(world: World) -> None:
    """The one of the opening, then the adopted one from whenever it is used, and not the old one after that."""
    found = Policies()
    found.announced(world.state.directory)
    found.entry(0, ONE)
    found.announced(adopt(world, SECOND))
    found.entry(1, ONE)
    assert found.told().endswith("1 more adopted and not yet in use")
    found.entry(2, TWO)
    assert found.used == [ONE, TWO]
    with pytest.raises(Wrong) as caught:
        found.entry(3, ONE)
    assert caught.value.fault.sentence.startswith(f"Entry 3 was decided by the policy {ONE.hex()}, which the log's own")
    assert (caught.value.fault.check, caught.value.fault.index) == ("policy", 3)


def test_a_policy_that_was_never_adopted_is_named(world: World) -> None:
    """Whatever it allows, nobody who reads the log could know it."""
    found = Policies()
    found.announced(world.state.directory)
    with pytest.raises(Wrong, match="Entry 7 was decided by the policy"):
        found.entry(7, OTHER)


def test_the_old_policy_may_be_adopted_again(world: World) -> None:
    """Going back is a decision like another, and is said like another."""
    found = Policies()
    found.announced(world.state.directory)
    for index, (text, digest) in enumerate(((SECOND, TWO), (FIRST, ONE), (SECOND, TWO))):
        found.announced(adopt(world, text))
        found.entry(index, digest)
    assert found.used == [TWO, ONE, TWO]


def test_what_a_court_removed_may_have_adopted_anything(world: World) -> None:
    """From there on nothing is claimed, and the report says from where."""
    found = Policies()
    found.announced(world.state.directory)
    found.gone(5)
    found.entry(6, OTHER)
    assert "up to entry 5" in found.told()


async def test_a_hub_starts_with_a_policy_that_is_in_force_or_still_in_use(world: World) -> None:
    """A changed file stops the notary with a sentence; after an adoption the old and the new one both start."""
    store: Any = Last(world.built[-1].rows.entry[-1][1])
    frontier = world.state.frontier
    head = Head(frontier.size, frontier.root(), frontier, 1, 0, 0)
    first, second = (Policy.parse(text.encode()) for text in (FIRST, SECOND))
    await check_policy(store, head, Directory(), second)
    await check_policy(store, head, world.state.directory, first)
    with pytest.raises(StartRefused, match="policy file is") as caught:
        await check_policy(store, head, world.state.directory, second)
    assert "bus hub adopt" in caught.value.hint
    directory = adopt(world, SECOND)
    for policy in (first, second):
        await check_policy(store, head, directory, policy)
