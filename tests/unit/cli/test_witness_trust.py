"""``bus witness trust --vouched``."""

from __future__ import annotations

from bus.tlog.vkey import Kind, NoteKey


def test_a_checkpoint_that_never_ends_is_none(bus):
    """No more is read than a checkpoint can have, whatever is named."""
    assert bus("witness", "key", "--name", "witness.test.example/north").exit_code == 0
    vkey = NoteKey("ledger.test.example", Kind.ED25519, bytes(32)).verifier.encode()
    result = bus("witness", "trust", vkey, "--vouched", "/dev/zero")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "that is no checkpoint" in result.stderr
