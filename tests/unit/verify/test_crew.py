"""Processes that verify side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bus.verify.crew import uninterrupted
from tests.patience import PATIENT_S

PROGRAM = """
import itertools
import time
from multiprocessing import active_children
from pathlib import Path
from bus.verify.crew import walk
from bus.verify.folder import Folder
from bus.verify.scan import Task

def deaf(pid):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["SigIgn"], 16) & 2

def main():
    told, limit = False, time.monotonic() + PATIENT_S
    task = Task(Folder("/nowhere"), 0, 1, 1, bytes(32), ())
    try:
        for part in walk(itertools.repeat(task), 2, 1 << 20):
            assert part.fault.check == "file-missing"
            begun = [deaf(child.pid) for child in active_children()]
            if not told and (len(begun) == 2 and all(begun) or time.monotonic() > limit):
                told = True
                print("at work", flush=True)
    except KeyboardInterrupt:
        print("ended", flush=True)

if __name__ == "__main__":
    main()
"""


def test_an_interrupt_waits_for_the_end_of_a_step() -> None:
    """The step is done whole, then Ctrl-C has its effect, and the next one is as it was before."""
    done: list[str] = []
    before = signal.getsignal(signal.SIGINT)

    @uninterrupted()
    def step() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("step")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["step"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_is_for_whoever_started_them(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal's group; the helpers end with their task, and without a word."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.replace("PATIENT_S", f"{PATIENT_S}"))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, file], stdout=pipe, stderr=pipe, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at work\n"
        os.killpg(child.pid, signal.SIGINT)
        assert child.communicate(timeout=PATIENT_S) == ("ended\n", "")
