"""``bus audit prove``: evidence of events, out of the ledger and what was published of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from bus.cli.audit import asks, ledger_dsn
from bus.cli.base import command, option, say, settings
from bus.cli.evidence import policy_file, policy_option
from bus.errors import UsageError

if TYPE_CHECKING:
    from bus.evidence.published import Published
    from bus.tlog.policy import Policy


@command("prove", examples="""
bus audit prove 42 -o 42.evidence
bus audit prove 0199f3c0-0000-7000-8000-000000000000 -o notice.evidence --newest
bus audit prove 42 43 44 -o evidence/
""")  # fmt: skip
@click.argument("events", metavar="EVENT|INDEX...", nargs=-1, required=True)
@asks
@option("-o", "--output", type=click.Path(path_type=str), required=True, metavar="FILE|FOLDER/",
        envvar="BUS_EVIDENCE", help="Where to write. A folder gets a file for each event.")  # fmt: skip
@option("--published", type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The publisher's folder.  [default: the sandbox's]")  # fmt: skip
@option("--newest", is_flag=True, help="Prove under the newest checkpoint, not the first that covers an event.")
@policy_option("Whose checkpoints to prove under (c2sp.org/tlog-policy).")
def prove(
    events: Sequence[str],
    as_org: str | None,
    dsn: str | None,
    output: str,
    published: Path | None,
    newest: bool,
    policy: Path | None,
) -> None:
    """Make evidence that accepted events stand in the ledger; print the files' names.

    Evidence verifies with no network and no database: `bus evidence verify`. It is made for one policy, and is checked
    by it before it is written: if it is false, the command ends with 3. Nothing but evidence is written over.
    """
    from bus.audit.words import event_or_index
    from bus.cli.runtime import run
    from bus.evidence.published import Published
    from bus.files import load_policy

    wanted = [event_or_index(event) for event in events]
    folder = output.endswith("/") or Path(output).is_dir()
    if len(wanted) > 1 and not folder:
        raise UsageError("several events need a folder to be written to", hint=f"Give -o {output}/ instead.")
    login = ledger_dsn(as_org, dsn)
    rules = policy_file(policy)
    believed = load_policy(rules)
    known = Published(published or settings().state / "publisher", believed)
    run(_prove(login, wanted, known, believed, output, folder, newest))
    say(f"{len(wanted)} proved; `bus evidence verify` checks them with the policy {rules} and nothing else.")


async def _prove(
    dsn: str,
    wanted: Sequence[UUID | int],
    published: Published,
    policy: Policy,
    output: str,
    folder: bool,
    newest: bool,
) -> None:
    from bus.evidence.gather import Prover, open_snapshot
    from bus.evidence.proven import proven

    async with open_snapshot(dsn) as connection:
        prover = Prover(connection, published, newest=newest)
        for one in wanted:
            evidence = await prover.prove(one)
            index = evidence.event.index
            path = Path(output) / f"{index}.evidence" if folder else Path(output)
            _write(path, proven(evidence, policy))
            if isinstance(one, int) and one != index:
                say(f"Entry {one} repeats entry {index}: what is proved is that first one.", colour="yellow")


def _write(path: Path, data: bytes) -> None:
    """Write a file of evidence; older evidence may be there, and nothing else.

    Raises:
        UsageError: something else is there.
    """
    if path.exists() and not _is_evidence(path):
        raise UsageError(f"{path} is there already, and is no evidence", hint="Name a file that is not.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)
    click.echo(str(path))


def _is_evidence(path: Path) -> bool:
    from bus.errors import Malformed
    from bus.evidence.archive import MAX_ARCHIVE
    from bus.evidence.exhibit import Evidence
    from bus.files import read_upto

    if not path.is_file():
        return False
    try:
        Evidence.decode(read_upto(path, MAX_ARCHIVE))
    except Malformed:
        return False
    return True
