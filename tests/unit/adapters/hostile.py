"""What people who mean harm, or nothing, put into a file; for every adapter's tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from bus.errors import InvalidFile


def damaged(data: bytes, seed: int, count: int = 200) -> Iterator[bytes]:
    """A file changed at random places, a byte replaced, added, dropped or a stretch repeated; and cut off."""
    chance = random.Random(seed)
    for number in range(count):
        at = chance.randrange(len(data))
        byte = bytes([chance.randrange(256)])
        kind = number % 5
        if kind == 0:
            yield data[:at] + byte + data[at + 1 :]
        elif kind == 1:
            yield data[:at] + byte + data[at:]
        elif kind == 2:
            yield data[:at] + data[at + chance.randrange(1, 9) :]
        elif kind == 3:
            yield data[:at] + data[max(0, at - 40) :]
        else:
            yield data[:at]


def wrapped(root: str) -> dict[str, bytes]:
    """Documents that attack an XML parser, around an element of this name."""
    bomb = "".join("<!ENTITY e{} {!r}>".format(n, f"&e{n - 1};" * 10) for n in range(1, 9))
    many = " ".join(f"a{n}='1'" for n in range(1000))
    return {
        "entity bomb": f'<!DOCTYPE r [<!ENTITY e0 "x">{bomb}]><{root}>&e8;</{root}>'.encode(),
        "external entity": f'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><{root}>&x;</{root}>'.encode(),
        "parameter entity": f'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><{root}/>'.encode(),
        "document type": f"<!DOCTYPE {root}><{root}/>".encode(),
        "undefined entity": f"<{root}>&nbsp;</{root}>".encode(),
        "huge attribute": f'<{root} a="{"x" * (1 << 20)}"/>'.encode(),
        "many attributes": f"<{root} {many}/>".encode(),
        "twice the attribute": f'<{root} a="1" a="2"/>'.encode(),
        "deep": (f"<{root}>" + "<a>" * 100_000).encode(),
        "wide": (f"<{root}>" + "<a/>" * 100_000 + f"</{root}>").encode(),
        "huge text": f"<{root}><a>{'x' * (1 << 20)}</a></{root}>".encode(),
        "huge": f"<{root}>{'<a>x</a>' * (1 << 20)}".encode(),
        "namespace": f'<{root} xmlns="urn:x"/>'.encode(),
        "undefined prefix": f"<x:{root}/>".encode(),
        "unknown encoding": f'<?xml version="1.0" encoding="martian"?><{root}/>'.encode(),
        "encoding that it is not": f'<?xml version="1.0" encoding="UTF-8"?><{root}>\xe9</{root}>'.encode("latin-1"),
        "UTF-16 cut in half": f"<{root}></{root}>".encode("utf-16")[:-1],
        "mixed": f"<{root}>text<a/>text</{root}>".encode(),
        "not a character": f"<{root}>&#0;</{root}>".encode(),
        "two roots": f"<{root}/><{root}/>".encode(),
        "another root": b"<html/>",
        "odd name": f"<{root}><\u00e4/></{root}>".encode(),
        "open comment": f"<{root}><!-- ".encode() + b"x" * (1 << 20),
    }


def check_error(error: Any, secrets: set[str]) -> None:
    """An error names file, place and rule, and holds none of the values of a file."""
    assert isinstance(error, InvalidFile)
    assert error.file
    assert error.place.startswith("line ")
    assert error.rule
    told = error.diagnostics()
    assert not [secret for secret in secrets if secret in told], told
