"""Tables that say the same as the code: log events, fault points, sentences of a refused start."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bus.hub.faults import POINTS
from bus.policy.deadlines import _Row  # pyright: ignore[reportPrivateUsage]
from tests.docs.support import ROOT, first_cells

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_EVENT = re.compile(r"[a-z_]+\.[a-z_.]+")
_CELL = re.compile(r"`([^`]+)`")
_GAP = "…"


def _calls() -> Iterator[ast.Call]:
    for path in sorted((ROOT / "bus").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _logged() -> set[str]:
    """The event names that the program logs, with each branch of a conditional name."""
    found: set[str] = set()
    for call in _calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args:
            names = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
            found |= {name for name in names if isinstance(name, str) and _EVENT.fullmatch(name)}
    return found


def _sentence(node: ast.expr) -> str:
    """A message with each value in it as an ellipsis."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in parts)


def _in_code(page: str) -> set[str]:
    cells = first_cells((ROOT / "docs" / page).read_text(encoding="utf-8"))
    return {name for cell in cells for name in _CELL.findall(cell)}


def test_every_log_event_is_listed_with_its_meaning() -> None:
    """The table of log events names what the program logs, and nothing else."""
    logged = _logged()
    assert "hub.ready" in logged
    assert _in_code("logs.md") == logged


def test_no_log_event_carries_a_value_of_an_event() -> None:
    """No log call passes a header, a body, a plaintext, a key or a record's value."""
    forbidden = {"header", "body", "plaintext", "sealed", "value", "event_id", "key", "password", "dsn"}
    for call in _calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args:
            assert not forbidden & {word.arg for word in call.keywords}, ast.unparse(call)


def test_every_fault_point_is_described() -> None:
    """The table of named points is that of the program."""
    assert _in_code("faults.md") == set(POINTS)


def test_every_refusal_to_start_has_its_place_in_the_runbook() -> None:
    """Whatever sentence a role refuses to start with, the runbook has it, word for word."""
    raised = {
        _sentence(call.args[0])
        for call in _calls()
        if isinstance(call.func, ast.Name) and call.func.id == "StartRefused"
    }
    assert len(raised) >= 9
    runbook = (ROOT / "docs" / "runbooks" / "start-refused.md").read_text(encoding="utf-8")
    assert set(first_cells(runbook)) - {"sentence", "---"} == raised


def test_every_field_of_a_deadline_is_described() -> None:
    """The table of fields is that of a row, and the page names every code that a deadline is refused with."""
    assert _in_code("deadlines.md") >= set(_Row.__struct_fields__)
    page = (ROOT / "docs" / "deadlines.md").read_text(encoding="utf-8")
    codes = (ROOT / "schemas" / "codes" / "refusal.csv").read_text(encoding="utf-8")
    assert all(f"`{code}`" in page for code in re.findall(r"^(deadline-[a-z]+|policy-invalid),", codes, re.MULTILINE))


def test_every_role_of_the_database_is_described() -> None:
    """ARCHITECTURE.md says what each role may do, and names no other."""
    files = sorted((ROOT / "bus" / "ledger" / "sql" / "migrations").glob("*.sql"))
    sql = "".join(path.read_text(encoding="utf-8") for path in files)
    listed = re.search(r"FOREACH role_name IN ARRAY ARRAY\[(.+?)\]", sql)
    assert listed is not None
    roles = {*re.findall(r"'(\w+)'", listed[1]), *re.findall(r"CREATE ROLE (\w+)", sql)}
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Who may do what")[1].split("**Kafka**")[0]
    assert {name for cell in first_cells(page) for name in _CELL.findall(cell)} == roles


def test_tables_of_the_house_name_real_folders() -> None:
    """Each folder of `bus` has a row in ARCHITECTURE.md."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## The way of one event")[0]
    rows = {name for cell in first_cells(page) for name in _CELL.findall(cell)}
    packages = {f"bus/{path.parent.name}/" for path in (ROOT / "bus").glob("*/__init__.py")}
    assert packages <= rows, packages - rows
    assert all(Path(ROOT / name).is_dir() for name in rows)


def test_every_check_of_a_verification_is_described() -> None:
    """What a report of `bus audit verify` calls a check, one that holds or one that is false, is in the page's table."""
    page = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    described = page.partition("## What is checked")[2].partition("## Who catches what")[0]
    rows = [line.split(" | ") for line in described.splitlines() if line.startswith("| `")]
    said: dict[str, set[str]] = {}
    for path in sorted((ROOT / "bus" / "verify").glob("*.py")):
        for call in [one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.Call)]:
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name in {"Fault", "fail", "passed"} and call.args and not isinstance(call.args[0], ast.Name):
                said.setdefault(name, set()).add(_sentence(call.args[0]))
    false = said["Fault"] | said["fail"]
    parts = {"header", "decision", "bus-signature", "body", "sealed"}
    assert {one for one in false if _GAP in one} == {"…-changed"}
    false = (false - {"…-changed"}) | {f"{part}-changed" for part in parts}
    assert {name for row in rows for name in _CELL.findall(row[0])} == said["passed"]
    told = {name for row in rows for name in _CELL.findall(row[2])}
    assert told | {"proof-kept"} == false
    assert "`proof-kept`" in described


def _attacks() -> list[list[str]]:
    """The rows of the table of attacks in the page on verification."""
    page = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    table = page.partition("## Who catches what")[2].partition("## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line[:2] == "| "]
    return rows[1:]


def _said() -> set[str]:
    """Every text of the program, with each value in it as an ellipsis."""
    found: set[str] = set()
    for path in sorted((ROOT / "bus").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant):
                found.add(_sentence(node))
    return found


def test_every_attack_has_the_sentence_of_the_program_that_names_it() -> None:
    """The sentences of the table of attacks are ones that the program says, word for word."""
    said, attacks = _said(), _attacks()
    assert len(attacks) > 30
    assert [sentence for _, _, sentence, _ in attacks if sentence not in said] == []
    assert {who.strip("`") for _, who, _, _ in attacks} == {
        "bus audit verify", "bus audit verify --mirror", "witnesses and `bus audit verify", "witness", "client",
        "publisher",
    }  # fmt: skip


def test_every_attack_is_shown_by_a_test() -> None:
    """Each row names a test that there is."""
    tests = {
        node.name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {shown.strip("` |") for *_, shown in _attacks()} <= tests
