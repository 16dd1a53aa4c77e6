"""The container of evidence: a ZIP archive in one form.

::

    for each file, sorted by name:   local header ‖ name ‖ bytes
    for each file, in that order:    central header ‖ name
    end of central directory

Stored, not compressed; names are ASCII; every version, flag, attribute and extra field is fixed, every time is
1980-01-01 00:00, and nothing stands between, before or behind. So the files alone decide every byte: the same
evidence is the same bytes, and any tool that reads ZIP reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct as Layout
from typing import Final
from zlib import crc32

from bus.tlog.text import malformed

MAX_ARCHIVE: Final = 32 << 20
MAX_FILES: Final = 1000

_LOCAL = Layout("<4s5H3I2H")
_CENTRAL = Layout("<4s6H3I5H2I")
_END = Layout("<4s4H2IH")
_VERSION: Final = 10
_DATE: Final = (1 << 5) | 1
_WHAT: Final = "evidence archive"


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of named files.

    Raises:
        ValueError: there are too many, or a name is not ASCII.
    """
    if len(files) > MAX_FILES or not all(name.isascii() for name in files):
        raise ValueError("an archive has up to 1,000 files with ASCII names")
    body, central = bytearray(), bytearray()
    for name in sorted(files):
        data, encoded = files[name], name.encode("ascii")
        facts = (0, 0, 0, _DATE, crc32(data), len(data), len(data), len(encoded), 0)
        central += _CENTRAL.pack(b"PK\x01\x02", _VERSION, _VERSION, *facts, 0, 0, 0, 0, len(body)) + encoded
        body += _LOCAL.pack(b"PK\x03\x04", _VERSION, *facts) + encoded + data
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(body), 0)
    return bytes(body + central + end)


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of an archive by name.

    Raises:
        Malformed: the bytes are not an archive in this form.
    """
    if len(data) > MAX_ARCHIVE:
        raise malformed(_WHAT)
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\x03\x04" and len(data) - at >= _LOCAL.size and len(files) < MAX_FILES:
        fields = _LOCAL.unpack_from(data, at)
        size, name_size = fields[7], fields[9]
        at += _LOCAL.size
        name = data[at : at + name_size].decode("latin-1")
        at += name_size
        files[name] = data[at : at + size]
        at += size
    if not all(name.isascii() for name in files) or pack(files) != data:
        raise malformed(_WHAT)
    return files
