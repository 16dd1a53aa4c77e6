"""Small XML documents as trees, and the bounds that they have."""

from __future__ import annotations

import io

import pytest

from bus.adapters import xmltree
from bus.adapters.xmltree import read_tree
from bus.errors import InvalidFile

BOUNDS = {
    "depth": (lambda n: "<a>" * n + "</a>" * n, xmltree.MAX_DEPTH, "nested deeper"),
    "elements": (lambda n: f"<a>{'<b/>' * (n - 1)}</a>", xmltree.MAX_ELEMENTS, "more than"),
    "text": (lambda n: f"<a>{'x' * n}</a>", xmltree.MAX_TEXT, "a field is longer"),
    "attribute": (lambda n: "<a b='" + "x" * n + "'/>", xmltree.MAX_TEXT, "an attribute is longer"),
    "attributes": (lambda n: "<a " + " ".join(f"b{i}='1'" for i in range(n)) + "/>", xmltree.MAX_ATTRIBUTES, "too many"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_is_where_it_is_said_to_be(name: str):
    """A document at a bound is read; one beyond it is refused by that rule."""
    make, most, rule = BOUNDS[name]
    assert read_tree(io.BytesIO(make(most).encode()), "f").name == "a"
    with pytest.raises(InvalidFile, match=rule):
        read_tree(io.BytesIO(make(most + 1).encode()), "f")


def test_a_file_beyond_its_size_is_refused():
    """What is longer than a document may be is refused, though it is white space."""
    with pytest.raises(InvalidFile, match="larger"):
        read_tree(io.BytesIO(b"<a/>" + b" " * xmltree.MAX_BYTES), "f")


def test_a_tree_has_names_texts_attributes_and_lines():
    """White space around a text is not kept, lines are counted from 1, and comments say nothing."""
    root = read_tree(io.BytesIO(b'<a>\n <b c=" 1 "> x\r\ny </b><!-- no -->\n <b/>\n</a>'), "f")
    first, second = root.all("b")
    assert (root.name, root.text, root.line) == ("a", "", 1)
    assert (first.text, first.attributes, first.line) == ("x\ny", {"c": "1"}, 2)
    assert (second.text, second.line) == ("", 4)
