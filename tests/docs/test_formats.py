"""The pages about formats, held against the list of formats."""

from __future__ import annotations

import re

import pytest

from bus.adapters.formats import FORMATS
from tests.docs.support import ROOT

FOREIGN = [name for name in FORMATS if name != "bus"]
FOLDER = ROOT / "docs" / "adapters"


def test_every_format_has_a_page_and_no_page_is_about_another() -> None:
    """docs/adapters has one page for each format of others."""
    assert {page.stem for page in FOLDER.glob("*.md")} == set(FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_formats_page_says_what_maps_and_what_is_lost(name: str) -> None:
    """A page shows the commands, has a table of what maps to what and a chapter of what is lost, and says if assumed."""
    form, text = FORMATS[name], (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert f"--format {name}" in text
    assert ("`bus publish" in text) == form.reads
    assert ("`bus consume" in text or "`bus convert" in text) == bool(form.writes)
    assert "\n## What maps to what\n" in text
    assert "\n## What is lost\n" in text
    assert ("assumed shape" in text.lower()) == form.assumed
    assert all(f"`{kind}`" in text for kind in form.writes)


@pytest.mark.parametrize("page", ["docs/interfaces.md", "README.md"])
def test_lists_of_formats_are_whole(page: str) -> None:
    """Each format is linked to from the pages that list them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"adapters/([\w.-]+)\.md", text)) == set(FOREIGN)
