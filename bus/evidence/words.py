"""How the report words what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bus.events.clock import format_us
from bus.evidence.entry import Entry
from bus.evidence.report import Bound, plain
from bus.tlog.policy import Cosigned, Judgement, Policy

_YEAR_10000_S = 253_402_300_800


def tells(entry: Entry, before: int) -> str:
    """What an entry of the directory says."""
    info, body, index = entry.info, entry.body, entry.exhibit.index
    when = "before the event" if index < before else "after the event"
    if info is None or body is None:
        return ""
    if info.name == "LogOpened":
        return f"Entry {index} opened the log and names the hub's key."
    if info.name == "OrganisationAdmitted":
        return f"Entry {index}, {when}: the hub admitted {body.org} ({body.name}) of {body.nation}."
    if info.name == "KeyRegistered":
        return f"Entry {index}, {when}: the hub registered a {body.use} key of {body.org}, whose holder proved it."
    if info.name == "KeyRevoked":
        since = (
            "" if body.compromised_since is None else f", which others may have had since {_at(body.compromised_since)}"
        )
        return f"Entry {index}, {when}: the hub revoked the signing key{since}."
    if info.name == "OrganisationSuspended" and entry.header is not None:
        return f"Entry {index}, {when}: {body.org} was {entry.header.step}."
    if info.name == "AgreementConcluded":
        return f"Entry {index}, {when}: {', '.join(body.members)} concluded {body.agreement}."
    if info.name == "AgreementEnded":
        return f"Entry {index}, {when}: {body.agreement} ended."
    return f"Entry {index}, {when}: the hub recorded {info.name}."


def revoked(index: int, since_us: int | None, *, before: bool) -> str:
    """What a revocation means for an event; ``before``: it, or the loss of the key, came before the event."""
    if since_us is not None and before:
        return f"Entry {index} revoked the signing key: others may have had it since {_at(since_us)}, before the event."
    if before:
        return f"Entry {index} revoked the signing key before the event was recorded."
    told = "" if since_us is None else f", as others may have had it since {_at(since_us)}"
    return f"Entry {index} revoked the signing key{told}: after the event was recorded, for which the key still stood."


def _at(time_us: int) -> str:
    return format_us(time_us) if 0 <= time_us < _YEAR_10000_S * 1_000_000 else f"{time_us} µs after 1970"


def who(cosigned: Iterable[Cosigned]) -> str:
    """Witnesses, each with its time."""
    return ", ".join(f"{plain(one.witness.name)} at {second(one.time_s)}" for one in cosigned)


def second(time_s: int) -> str:
    """A witness's time as RFC 3339."""
    return format_us(time_s * 1_000_000)[:19] + "Z" if time_s < _YEAR_10000_S else f"{time_s} s after 1970"


def vouched(policy: Policy, cosigned: Sequence[Cosigned]) -> str:
    """What the witnesses vouch for."""
    if policy.quorum == "none":
        told = f" All the same {who(cosigned)} cosigned." if cosigned else ""
        return f"The policy asks for no witness: nobody outside vouches that all are shown one log.{told}"
    quorum = plain(policy.quorum)
    return f"Witnesses saw the log grow to this checkpoint: {who(cosigned)}. They are the quorum ({quorum})."


def strangers(count: int) -> str:
    """What it means that others signed too, and what to do: a file is made for one policy."""
    keys = "a signature of a key" if count == 1 else f"{count} signatures of keys"
    return (
        f"The checkpoint carries {keys} that this policy does not name: this evidence was made for another policy. Ask "
        "for it anew, made for yours: `bus audit prove --policy FILE`."
    )


def bound(judgement: Judgement) -> Bound:
    """A checkpoint as a bound of the entry's place and time."""
    times = tuple((plain(one.witness.name), second(one.time_s)) for one in judgement.cosigned)
    return Bound(judgement.checkpoint.size, judgement.checkpoint.root.hex(), times)


def bounds(after: Judgement | None, before: Judgement | None) -> str:
    """The bounds in words: after the checkpoint of …, before the checkpoint of …."""
    text = ""
    for word, judgement, choose in (("after", after, min), ("before", before, max)):
        if judgement is not None and judgement.cosigned:
            time_s = choose(one.time_s for one in judgement.cosigned)
            text += f", {word} the checkpoint of {judgement.checkpoint.size} entries cosigned at {second(time_s)}"
    return text
