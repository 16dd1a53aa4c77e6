"""A sampling profiler that comes into a process by ``PYTHONPATH``: no line of the program knows of it.

With ``BENCH_PROFILE=FILE`` the stack is looked at after each tick of CPU time that the process used (4 ms on most
kernels), and the CPU time since the look before is put down to it. At the end all is written as JSON,
``{"f;g;h": seconds}``. The innermost function stands last, and holds the time of the C code that it calls.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import time
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType

PERIOD_S = 0.001
_target = os.environ.pop("BENCH_PROFILE", "")
_stacks: defaultdict[tuple[CodeType, ...], float] = defaultdict(float)
_last = [0.0]


def _sample(_number: int, frame: FrameType | None) -> None:
    codes: list[CodeType] = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    now = time.process_time()
    _stacks[tuple(codes)] += now - _last[0]
    _last[0] = now


def _name(code: CodeType) -> str:
    path = Path(code.co_filename)
    return f"{path.parent.name}/{path.stem}:{code.co_qualname}"


def _write() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    found: defaultdict[str, float] = defaultdict(float)
    for codes, seconds in _stacks.items():
        found[";".join(_name(code) for code in reversed(codes))] += seconds
    Path(_target).write_text(json.dumps(found), encoding="utf-8")


if _target:
    atexit.register(_write)
    _last[0] = time.process_time()
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)
