"""Opening the sandbox's log: entry 0, then every organisation, then every key, as the hub's own events.

Each fact is one item of the hub's journal, so that a founding cut short and begun again publishes the same bytes
and nothing twice. Here the hub admits organisations by itself; the governance keys that entry 0 pins take over
when governance comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from bus.errors import SandboxError
from bus.events.clock import format_us
from bus.partner.compose import Draft
from bus.partner.journal import STANDING, Item, Journal
from bus.partner.known import DirectoryReader
from bus.partner.profile import Profile
from bus.partner.publisher import Publisher
from bus.partner.transport import KafkaTransport
from bus.policy.policy import Policy
from bus.sandbox import outfit
from bus.sandbox.home import Home
from bus.sandbox.world import HUB, WORLD, Organisation
from bus.trust.adoptions import adoption
from bus.trust.directory import key_recovery_message, prove_key
from bus.trust.keys import KeyRing

DELIVERY_S = 20.0
"""How long the courier may take to bring the directory to everyone."""


async def found(home: Home) -> None:
    """Publish the founding events and wait until each stands in the ledger.

    Raises:
        SandboxError: the hub refused one, or did not answer.
    """
    profile = Profile.load(outfit.profile(home, HUB))
    now = format_us(time.time_ns() // 1000)
    rings = {member.id: KeyRing.load(home.organisation(member.id) / "keys.json") for member in WORLD}
    recovery = {member.id: KeyRing.load(home.organisation(member.id) / "recovery.json") for member in WORLD}
    steps = [
        [_opening(home)],
        [_admission(member, recovery[member.id]) for member in WORLD],
        [key for member in WORLD for key in _keys(home.origin, member, rings[member.id], recovery[member.id], now)],
        _adoption((home.hub / "deadlines.toml").read_text(encoding="utf-8")),
    ]
    with Journal(profile.journal_file) as journal:
        missing = [[draft for draft in step if not _stands(journal, draft)] for step in steps]
    if any(missing):
        async with Publisher(profile) as publisher:
            for step in missing:
                await _publish(publisher, step)
        await _delivered(profile, {key.key_id for ring in rings.values() for key in ring.sealing})


async def _delivered(profile: Profile, key_ids: set[bytes]) -> None:
    """Wait until everyone can read the keys: the courier brings the directory a moment after it is recorded."""
    async with DirectoryReader(profile, KafkaTransport(profile.connection()), "founding") as reader:
        deadline = time.monotonic() + DELIVERY_S
        while not key_ids <= (await reader.refresh()).keys.keys():
            if time.monotonic() > deadline:
                raise SandboxError(
                    "the directory was recorded, and not delivered",
                    hint="Look into the courier's log, then `bus sandbox up` again.",
                )
            await asyncio.sleep(0.05)


def _stands(journal: Journal, draft: Draft) -> bool:
    """Whether the ledger has taken this fact, as far as the hub's journal knows."""
    state = None if draft.item is None else journal.item(draft.item)
    return state is not None and state.content == draft.content and state.outcome in STANDING


def _draft(kind: str, step: str, fact: str, body: Mapping[str, Any]) -> Draft:
    event = {"type": kind, "header": {"step": step, "audience": [HUB]}, "body": body}
    content = sha256(f"{kind} {fact}".encode()).digest()
    return Draft(event, item=Item("founding", "sandbox", f"{kind} {fact}", step), content=content)


def _opening(home: Home) -> Draft:
    body = {
        "origin": home.origin,
        "hub_key": KeyRing.load(home.hub / "keys.json").signing.public_key.hex(),
        "governance_keys": sorted(ring.signing.public_key.hex() for ring in outfit.governors(home)),
        "threshold": outfit.THRESHOLD,
        "policy_digest": Policy.load(home.hub / "policy.toml").digest.hex(),
    }
    return _draft("LogOpened", "opened", home.origin, body)


def _admission(member: Organisation, recovery: KeyRing) -> Draft:
    body = {
        "org": member.id,
        "name": member.name,
        "nation": member.nation,
        "roles": sorted(member.roles),
        "recovery_key": recovery.signing.public_key.hex(),
    }
    return _draft("OrganisationAdmitted", "admitted", member.id, body)


def _keys(origin: str, member: Organisation, ring: KeyRing, recovery: KeyRing, valid_from: str) -> list[Draft]:
    """The signing key, proven by its own signature, and each sealing key; all vouched for by the recovery key."""
    signing = {
        "use": "signing",
        "public_key": ring.signing.public_key.hex(),
        "key_id": ring.signing.key_id.hex(),
        "proof": prove_key(ring.signing, origin, member.id).hex(),
        "recovery_signature": _vouch(origin, recovery, member.id, ring.signing.key_id),
    }
    sealing = [
        {
            "use": "sealing",
            "public_key": key.public_key.hex(),
            "key_id": key.key_id.hex(),
            "recovery_signature": _vouch(origin, recovery, member.id, key.key_id),
        }
        for key in ring.sealing
    ]
    bodies = [{"org": member.id, "valid_from": valid_from, **key} for key in (signing, *sealing)]
    return [_draft("KeyRegistered", "registered", f"{member.id} {body['key_id']}", body) for body in bodies]


def _vouch(origin: str, recovery: KeyRing, org: str, key_id: bytes) -> str:
    return recovery.signing.sign(key_recovery_message(origin, org, key_id)).hex()


def _adoption(text: str) -> list[Draft]:
    """The table of deadlines comes into force, word for word, in as many parts as it takes."""
    bodies = adoption("deadlines", "deadlines", text)
    return [_draft("PolicyAdopted", "adopted", f"{body['digest']} {body['part']}", body) for body in bodies]


async def _publish(publisher: Publisher, drafts: Sequence[Draft]) -> None:
    async for outcome in publisher.publish_many(drafts):
        if not outcome.stands:
            why = ", ".join(outcome.reasons) or outcome.outcome
            raise SandboxError(
                f"the hub did not take a founding event: {why}",
                hint="Look into the notary's log, then `bus sandbox up` again, or `bus sandbox up --fresh`.",
            )
