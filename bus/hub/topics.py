"""Who has which topics, and who may do what with them: formats §1, as values.

Every grant is literal: a prefix would let ``org1`` read what is ``org10``'s. Nobody but the hub has a
transactional id or a right on the cluster.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache

from bus.kafka.admin import Admin, Grant, Topic
from bus.paths import ops_dir

DIRECTORY = "hub.directory"
CURSOR = "hub.cursor"
_LANES = ("", ".urgent")


@cache
def topic_settings() -> Mapping[str, Mapping[str, str]]:
    """The settings of each kind of topic: ``ops/kafka/topics.toml``."""
    return tomllib.loads((ops_dir() / "kafka" / "topics.toml").read_text(encoding="utf-8"))


def hub_topics() -> list[Topic]:
    """The topics of the hub itself."""
    return [Topic(name, topic_settings()[name]) for name in (DIRECTORY, CURSOR)]


def topics_of(org: str) -> list[Topic]:
    """An organisation's outbox, inbox and receipts, each with its urgent twin."""
    return [
        Topic(f"{kind}.{org}{lane}", topic_settings()[kind]) for kind in ("out", "in", "receipts") for lane in _LANES
    ]


def grants_of(org: str) -> list[Grant]:
    """What an organisation may do: write its outbox, read its inbox, its receipts and the directory."""
    found = [Grant(org, "topic", f"out.{org}{lane}", act) for lane in _LANES for act in ("write", "describe")]
    readable = [f"{kind}.{org}{lane}" for kind in ("in", "receipts") for lane in _LANES]
    found += [Grant(org, "topic", topic, act) for topic in (*readable, DIRECTORY) for act in ("read", "describe")]
    found.append(Grant(org, "group", org, "read"))
    return found


async def ensure(admin: Admin, passwords: Mapping[str, str], *, hub: str) -> None:
    """Make the topics, users and grants that are missing; take back grants of these users that are none of theirs.

    Args:
        admin: a super user's login.
        passwords: of every organisation and of the hub, by name.
        hub: the hub's name: a super user, and so without grants.
    """
    members = [org for org in passwords if org != hub]
    await admin.create_topics([*hub_topics(), *_all_topics([*members, hub])])
    known = await admin.users()
    await admin.set_passwords({org: word for org, word in passwords.items() if org not in known})
    wanted = {grant for org in members for grant in grants_of(org)}
    there = {grant for grant in await admin.grants() if grant.username in passwords}
    await admin.grant(sorted(wanted - there))
    await admin.revoke(sorted(there - wanted))


async def admit(admin: Admin, orgs: Iterable[str], *, check_grants: bool = False) -> list[str]:
    """Make the topics and grants of organisations that were admitted; what is there stays as it is.

    Args:
        admin: a super user's login.
        orgs: who was admitted.
        check_grants: also where no topic was missing: a crash between the two may have left topics without grants.

    Returns:
        The names of the topics made now.
    """
    members = sorted(orgs)
    made = await admin.create_topics(_all_topics(members))
    if made or (check_grants and members):
        await admin.grant(sorted({grant for org in members for grant in grants_of(org)} - set(await admin.grants())))
    return made


def _all_topics(orgs: Iterable[str]) -> list[Topic]:
    return [topic for org in orgs for topic in topics_of(org)]
