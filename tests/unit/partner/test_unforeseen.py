"""An error that nobody foresaw, in the program of a partner who has set up no log of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path
from bus.errors import BusError
from bus.testing import memory
from tests.unit.partner.places import MemoryPlace

async def read(self, timeout_s=0.25, max_records=None):
    plaintext = "what was sealed"
    await asyncio.sleep(0)
    raise ValueError("it broke")

async def publish(place):
    async with place.publisher(place.sender) as publisher:
        memory.MemoryReader.read = read
        await publisher.publish(place.event(issuer=place.sender, to=place.receiver))

async def consume(place):
    async with place.subscriber(place.receiver) as subscriber:
        memory.MemoryReader.read = read
        async for _ in subscriber:
            pass

async def main():
    place, whole = MemoryPlace(Path(sys.argv[1])), memory.MemoryReader.read
    await place.world.found(place.bus.transport("hub"))
    for use in (publish, consume):
        memory.MemoryReader.read = whole
        try:
            await use(place)
        except BusError as error:
            print("ended:", error.message)

asyncio.run(main())
"""


def test_what_nobody_foresaw_is_told_without_the_values_of_variables(tmp_path: Path) -> None:
    """Where it broke stands in the log; keys and opened content do not, whatever log the program has."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    for side in ("publisher", "subscriber"):
        assert f"ended: the {side} failed: ValueError" in done.stdout
        assert f"{side}.failed" in done.stdout
    assert ", in read" in done.stdout
    assert "what was sealed" not in done.stdout + done.stderr
