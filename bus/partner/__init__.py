"""What partners import: a Publisher that says, a Subscriber that hears, and the journal of both.

Names are looked up when they are first used, so that importing a part of the package costs that part alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bus.partner.compose import Draft
    from bus.partner.delivery import Delivery
    from bus.partner.journal import Item, ItemState, Journal
    from bus.partner.logwatch import LogAlarm
    from bus.partner.outcome import Outcome
    from bus.partner.profile import Profile
    from bus.partner.publisher import Publisher
    from bus.partner.subscriber import Subscriber
    from bus.partner.transport import KafkaTransport, Transport

__all__ = [
    "Delivery",
    "Draft",
    "Item",
    "ItemState",
    "Journal",
    "KafkaTransport",
    "LogAlarm",
    "Outcome",
    "Profile",
    "Publisher",
    "Subscriber",
    "Transport",
]

_HOME = {
    "Delivery": "delivery",
    "Draft": "compose",
    "Item": "journal",
    "ItemState": "journal",
    "Journal": "journal",
    "KafkaTransport": "transport",
    "LogAlarm": "logwatch",
    "Outcome": "outcome",
    "Profile": "profile",
    "Publisher": "publisher",
    "Subscriber": "subscriber",
    "Transport": "transport",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"bus.partner.{_HOME[name]}"), name)
