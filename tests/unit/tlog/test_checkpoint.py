"""Checkpoints."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog.checkpoint import Checkpoint

lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
checkpoints = st.builds(
    Checkpoint,
    lines,
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(lines, max_size=3).map(tuple),
)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@given(checkpoints)
def test_a_checkpoint_survives_its_text(checkpoint: Checkpoint) -> None:
    """Encoding and decoding give the same checkpoint, extension lines too."""
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@given(checkpoints, st.data())
def test_a_changed_byte_is_another_checkpoint_or_none(checkpoint: Checkpoint, data: st.DataObject) -> None:
    """No byte can change without the checkpoint changing or the text becoming malformed."""
    text = bytearray(checkpoint.encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Malformed):
        assert Checkpoint.decode(bytes(text)) != checkpoint


def test_the_specifications_example_is_one() -> None:
    """The text in c2sp.org/tlog-checkpoint is read as it says."""
    found = Checkpoint.decode(f"example.com/behind-the-sofa\n20852163\n{ROOT}\n".encode())
    assert (found.origin, found.size, len(found.root)) == ("example.com/behind-the-sofa", 20852163, 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"o\n5\n{ROOT}",
        f"o\n5\n{ROOT}\n\n",
        f"o\n5\n{ROOT}\n\nx\n",
        f"\n5\n{ROOT}\n",
        "o\n5\n",
        f"o\n05\n{ROOT}\n",
        f"o\n+5\n{ROOT}\n",
        f"o\n5_0\n{ROOT}\n",
        f"o\n\u0665\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n {5}\n{ROOT}\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n5\n{ROOT[:-2]}J=\n",
        f"o\n5\n{ROOT[:-4]}\n",
        f"o\n5\n {ROOT}\n",
        f"o\r\n5\r\n{ROOT}\r\n",
        f"o\u2028 5\u2028{ROOT}\n",
    ],
)
def test_what_is_no_checkpoint_is_malformed(text: str) -> None:
    """Lines that are missing, empty, of another form or ended otherwise are malformed."""
    with pytest.raises(Malformed, match=r"^malformed: checkpoint$"):
        Checkpoint.decode(text.encode())


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("o\nx", 1, bytes(32)),
        Checkpoint("o", -1, bytes(32)),
        Checkpoint("o", 2**63, bytes(32)),
        Checkpoint("o", 1, bytes(31)),
        Checkpoint("o", 1, bytes(32), ("",)),
    ],
)
def test_what_has_no_line_of_its_own_is_never_written(checkpoint: Checkpoint) -> None:
    """A field that breaks its rule is a mistake of the caller."""
    with pytest.raises(ValueError, match="checkpoint"):
        checkpoint.encode()
