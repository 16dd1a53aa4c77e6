"""Every error that Safeguard Bus raises on purpose, in one tree.

::

    BusError                 something is wrong; exit code 1
    ├── UsageError           the command or configuration is wrong; 2
    ├── CheckFailed          checked, and found false; 3
    ├── NotAllowed           the other side said no; 4
    │   ├── WitnessConflict  a witness is at another size than was thought; carries it
    │   └── WitnessRefused   a witness does not cosign; carries its HTTP status
    ├── Unavailable          a service is away; try again; 5
    │   └── ReceiptTimeout   sent, but no receipt yet
    ├── Malformed            bytes that are not what they should be; carries a refusal code
    ├── InvalidEvent         an event's field breaks a rule; carries its path
    │   └── InvalidFile      a file does; carries file and place
    ├── IdConflict           another content already stands under this event id
    ├── NeedsUpgrade         a record of a schema that this version does not know
    ├── LedgerError          the ledger is not what it should be
    │   ├── HeadMoved        another notary has written; drop all state and reload
    │   └── StartRefused     a start-up check failed
    └── SandboxError         the sandbox could not be started or stopped

Each error says what happened, and ``hint`` says what the reader should do next.
"""

from __future__ import annotations

from typing import ClassVar

NO_SANDBOX = "`bus sandbox up` starts one here; --home or BUS_HOME names one that is elsewhere."
"""The hint where a sandbox, or something of one, is missing."""


class BusError(Exception):
    """Base of every error here. ``hint`` is the next step, in a sentence."""

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def diagnostics(self) -> str:
        """What happened and what to do next, for a person."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(BusError):
    """The command line, environment or configuration is wrong."""

    exit_code = 2


class CheckFailed(BusError):
    """Something was checked and found false."""

    exit_code = 3


class NotAllowed(BusError):
    """The broker, the ledger or the hub refused what was asked."""

    exit_code = 4


class WitnessConflict(NotAllowed):
    """A witness's newest size of this log is not the one that the request started from.

    ``size`` is where it is. A size above every one that was ever submitted means that the log, or what knows it,
    has rolled back: then nothing more is to be signed.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness is at size {size}", hint="Send a consistency proof from there.")
        self.size = size


class WitnessRefused(NotAllowed):
    """A witness does not cosign: it does not know the log or its key, or the trees do not fit together."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(f"the witness answered {status}: {reason}" if reason else f"the witness answered {status}")
        self.status = status
        self.reason = reason


class Unavailable(BusError):
    """A service cannot be reached now."""

    exit_code = 5
    default_hint = "Try again; in a sandbox, `bus sandbox up` starts what is down."


class ReceiptTimeout(Unavailable):
    """Events were sent and stand in an outbox, but no receipt came in time."""

    default_hint = "The journal has them: publish the same input again and nothing is published twice."


class Malformed(BusError):
    """Bytes that are not the one valid form of their object.

    ``reason`` is a code of ``schemas/codes/refusal.csv``. The message never holds the bytes.
    """

    def __init__(self, reason: str, detail: str = "", *, hint: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, hint=hint)
        self.reason = reason
        self.detail = detail


class InvalidEvent(BusError):
    """A field of an event breaks a rule. Never echoes the value."""

    def __init__(self, path: str, rule: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {rule}", hint=hint)
        self.path = path
        self.rule = rule


class InvalidFile(InvalidEvent):
    """A file breaks a rule at a place. Nothing of it was published or written."""

    def __init__(self, file: str, place: str, rule: str, *, hint: str = "") -> None:
        super().__init__(
            f"{file}, {place}", rule, hint=hint or "Nothing was published or written. Mend the file and run again."
        )
        self.file = file
        self.place = place


class IdConflict(BusError):
    """Another content already stands under this event id in the journal."""

    default_hint = "Give the new content a new event_id, or leave event_id out."


class NeedsUpgrade(BusError):
    """A record came whose schema this version does not know; its bytes are kept undecoded."""

    default_hint = "Upgrade safeguard-bus, then consume again from the start."


class LedgerError(BusError):
    """The ledger is not what it should be."""


class HeadMoved(LedgerError):
    """The head row is not where this notary left it: another notary writes."""


class StartRefused(LedgerError):
    """A start-up check failed, and the hub will not run on it."""

    default_hint = "Stop the hub; `bus hub repair` says what it would do. First read docs/runbooks/start-refused.md."


class SandboxError(BusError):
    """The sandbox could not be started or stopped."""
