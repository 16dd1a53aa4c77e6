"""What the notary holds against the directory before it decides anything."""

from __future__ import annotations

import pytest

from bus.errors import StartRefused
from bus.hub.load import check_key
from bus.trust.directory import Directory
from tests.unit.hub.support import World


def test_the_hub_speaks_with_a_key_that_the_directory_has_for_it() -> None:
    """Another organisation's key, or one that nobody knows, stops it; a log that is not open takes any."""
    world = World().open()
    directory, rings = world.state.directory, world.rings
    check_key(rings["hub"].signing, directory)
    check_key(rings["pixelpost"].signing, Directory())
    for stranger in (rings["pixelpost"].signing, World().rings["hub"].signing):
        with pytest.raises(StartRefused, match="key file does not hold"):
            check_key(stranger, directory)
