"""What pages say of the repository: links, paths, headings, lists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.support import ROOT, first_cells, pages, prose

_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:bus|tests|docs|schemas|ops|tools|bench)/[\w./-]+")
_HEADINGS = ("## Context", "## Options", "## Decision", "## Consequences")

ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A link names a file that is there, and a heading that it has."""
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_is_named_is_there(page: Path) -> None:
    """A file or folder of the repository that a page names in code type exists; one with a placeholder may not."""
    for code in _CODE.findall(prose(page)):
        for word in code.split():
            if _PATH.fullmatch(word):
                assert (ROOT / word).exists(), f"{word} is named and is not there"


def test_every_test_that_is_named_is_there() -> None:
    """A test function that a page names in code type is defined somewhere."""
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
    }
    for page in pages():
        named = {code for code in _CODE.findall(prose(page)) if re.fullmatch(r"test_\w+", code)}
        assert named <= defined, f"{page.name}: {named - defined}"


def test_promises_name_the_tests_that_attack_them() -> None:
    """Each promise of the README that is kept today names tests, and each of those files has tests in it."""
    rows = re.findall(r"^\| (G\d) \|.*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [f"G{n}" for n in range(1, 9)]
    for row in re.findall(r"^\| G\d \|.*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        _, _, _, today, tested, _ = row.split("|")
        named = _CODE.findall(tested)
        assert bool(named) != today.strip().startswith("not yet"), row
        for name in named:
            assert "def test_" in (ROOT / name).read_text(encoding="utf-8"), f"{name} has no test"


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.stem)
def test_every_decision_has_its_four_parts(page: Path) -> None:
    """Context, options, decision and consequences, good and bad, in that order, under the number of the file."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]} ")
    assert "\nStatus: " in text
    places = [text.find(f"\n{heading}\n") for heading in _HEADINGS]
    assert -1 not in places
    assert places == sorted(places)
    assert "\nGood:\n" in text[places[-1] :]
    assert "\nBad:\n" in text[places[-1] :]


def test_decisions_are_numbered_and_listed() -> None:
    """A number is given once, and the list of decisions has each with its own title."""
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    numbers = [page.name[:4] for page in ADRS]
    assert len(set(numbers)) == len(numbers)
    for page in ADRS:
        assert f"]({page.name})" in listed
        title = page.read_text(encoding="utf-8").splitlines()[0][7:]
        row = next(line for line in listed.splitlines() if page.name in line)
        assert len(title) > 3
        assert row.rstrip(" |").split("| ")[-1].strip()


def test_every_dependency_has_a_reason() -> None:
    """Each package of pyproject.toml has a row in the record of dependencies, and no row is about another."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=;!~ ]", one)[0].lower() for one in wanted}
    text = (ROOT / "docs" / "adr" / "0001-dependencies.md").read_text(encoding="utf-8")
    rows = {name.strip() for cell in first_cells(text) for name in cell.split(",")} - {"package"}
    assert rows == names


def test_make_targets_that_are_named_exist() -> None:
    """Every `make` command of a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in pages():
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= targets, page.name
