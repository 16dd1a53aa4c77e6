"""Events as bytes (formats §2).

An event's value is ``0x00 ‖ u32 schema id ‖ header ‖ body ‖ sealed``, where ``sealed`` begins with its union byte.
A receipt is ``0x00 ‖ u32 schema id ‖ Avro``, a decision plain Avro. Decoding is strict: there is one valid byte
string for each value, and anything else raises Malformed with a code of ``schemas/codes/refusal.csv``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import fastavro
import msgspec

from bus.errors import BusError, Malformed
from bus.events import decoders, registry, shapes
from bus.events.registry import SchemaInfo
from bus.events.types import Decision, Header, Receipt, ReceiptItem, Recipient, Sealed

MAX_VALUE = 64 * 1024
MAX_HEADER = 2 * 1024
MAX_BODY = 8 * 1024
MAX_SEALED = 48 * 1024
FRAME = 5
"""Where the header starts: behind the zero byte and the schema id."""

T = TypeVar("T")


class Decoded(NamedTuple):
    """An event read from its value.

    ``header_end`` and ``body_end`` are offsets into the value; the header starts at ``FRAME``, the sealed part ends
    with the value.
    """

    info: SchemaInfo
    header: Header
    body: Any
    sealed: Sealed | None
    header_end: int
    body_end: int


class _Reader(NamedTuple):
    info: SchemaInfo
    header: Callable[[bytes, int], tuple[Header, int]]
    body: Callable[[bytes, int, str], tuple[Any, int]]
    sealed: Callable[[bytes, int], tuple[Sealed, int]]
    steps: frozenset[str]


def _readers() -> dict[bytes, _Reader]:
    out: dict[bytes, _Reader] = {}
    for info in registry.all_schemas():
        if info.kind == "event":
            header, body, sealed = decoders.EVENTS[info.id]
            out[_frame(info)] = _Reader(info, header, body, sealed, frozenset(info.steps))
    return out


def _frame(info: SchemaInfo) -> bytes:
    return struct.pack(">BI", 0, info.id)


_READERS = _readers()
_RECEIPT = registry.by_name("Receipt")
_DECISION = registry.by_name("Decision")

# --- decoding -------------------------------------------------------------------------------------------------------


def decode(value: bytes) -> Decoded:
    """Read an event.

    Raises:
        Malformed: with reason ``value-too-large``, ``framing``, ``unknown-schema``, ``non-canonical``,
            ``section-too-large``, ``field-bounds``, ``field-pattern``, ``field-missing``, ``sealed-unexpected`` or
            ``step-unknown``; the detail is the field's path.
    """
    size = len(value)
    if size > MAX_VALUE:
        raise Malformed("value-too-large")
    if size < FRAME or value[0]:
        raise Malformed("framing")
    reader = _READERS.get(value[:FRAME])
    if reader is None:
        raise Malformed("unknown-schema")
    try:
        return _decode(reader, value, size)
    except BusError:
        raise
    except Exception as error:
        raise Malformed("non-canonical") from error


def _decode(reader: _Reader, value: bytes, size: int) -> Decoded:
    info, read_header, read_body, read_sealed, steps = reader
    header, header_end = read_header(value, FRAME)
    if header_end > FRAME + MAX_HEADER:
        raise Malformed("section-too-large", "header")
    if header.step not in steps:
        raise Malformed("step-unknown", "header.step")
    if info.header_required:
        _check_required(info, header)
    body, body_end = read_body(value, header_end, header.step)
    if body_end > header_end + MAX_BODY:
        raise Malformed("section-too-large", "body")
    if value[body_end] == 0:
        sealed, end = None, body_end + 1
    elif value[body_end] != 2:
        raise Malformed("non-canonical", "sealed")
    else:
        if not info.sealed:
            raise Malformed("sealed-unexpected")
        sealed, end = read_sealed(value, body_end + 1)
        if end > body_end + MAX_SEALED:
            raise Malformed("section-too-large", "sealed")
    if end != size:
        raise Malformed("non-canonical", "end")
    return Decoded(info, header, body, sealed, header_end, body_end)


def _check_required(info: SchemaInfo, header: Header) -> None:
    for name in info.header_required:
        if getattr(header, name) is None:
            raise Malformed("field-missing", f"header.{name}")


def decode_header(info: SchemaInfo, data: bytes) -> Header:
    """Read a header that stands alone, as the ledger keeps it.

    Raises:
        Malformed: as ``decode``.
    """
    return _whole(decoders.EVENTS[info.id][0], data, 0)


def decode_body(info: SchemaInfo, data: bytes, step: str) -> Any:
    """Read a body alone.

    Raises:
        Malformed: as :func:`decode`.
    """
    body = decoders.EVENTS[info.id][1]
    return _whole(lambda b, p: body(b, p, step), data, 0)


def decode_plaintext(info: SchemaInfo, data: bytes) -> Any:
    """Read what was sealed in an event of this type; the struct is ``types.<Type>Sealed``.

    Raises:
        Malformed: as ``decode``.
    """
    reader = decoders.PLAINTEXTS.get(info.id)
    if reader is None:
        raise Malformed("sealed-unexpected")
    return _whole(reader, data, 0)


def decode_receipt(value: bytes) -> Receipt:
    """Read a receipt, framing included.

    Raises:
        Malformed: as ``decode``.
    """
    if len(value) > MAX_VALUE:
        raise Malformed("value-too-large")
    if len(value) < FRAME or value[0]:
        raise Malformed("framing")
    info = registry.by_id(int.from_bytes(value[1:FRAME], "big"))
    if info is None or info.name != "Receipt":
        raise Malformed("unknown-schema")
    return _whole(decoders.PLAIN[info.id], value, FRAME)


def decode_decision(data: bytes) -> Decision:
    """Read a decision.

    Raises:
        Malformed: as ``decode``.
    """
    return _whole(decoders.PLAIN[_DECISION.id], data, 0)


def _whole(reader: Callable[[bytes, int], tuple[T, int]], data: bytes, start: int) -> T:
    try:
        found, end = reader(data, start)
    except BusError:
        raise
    except Exception as error:
        raise Malformed("non-canonical") from error
    if end != len(data):
        raise Malformed("non-canonical", "end")
    return found


# --- encoding -------------------------------------------------------------------------------------------------------


def encode_header(info: SchemaInfo, header: Header) -> bytes:
    """The bytes of a header. Bounds are not checked here: ``decode`` of the assembled value does."""
    return _write(info, "header", header)


def encode_body(info: SchemaInfo, body: msgspec.Struct) -> bytes:
    """The bytes of a body, ``types.<Type>Body``."""
    return _write(info, "body", body)


def encode_sealed(sealed: Sealed | None) -> bytes:
    """The bytes of a sealed part, union byte included: one zero byte if there is none."""
    if sealed is None:
        return b"\x00"
    out = [b"\x02", _varint(sealed.suite)]
    out.append(b"\x00" if sealed.audience_key_id is None else b"\x02" + sealed.audience_key_id)
    if sealed.wraps:
        out.append(_varint(len(sealed.wraps)))
        for wrap in sealed.wraps:
            out += [wrap.key_id, _varint(len(wrap.wrap)), wrap.wrap]
    out += [b"\x00", _varint(len(sealed.ct)), sealed.ct]
    return b"".join(out)


def assemble(info: SchemaInfo, header: bytes, body: bytes, sealed: bytes) -> bytes:
    """An event's value from its three sections."""
    return b"".join((_frame(info), header, body, sealed))


def encode_plaintext(info: SchemaInfo, plaintext: msgspec.Struct) -> bytes:
    """The Avro bytes that are to be sealed, of ``types.<Type>Sealed``."""
    return _write(info, "plaintext", plaintext)


def encode_receipt(receipt: Receipt) -> bytes:
    """A receipt's value, framing included."""
    out = [_frame(_RECEIPT), _text(receipt.origin), _text(receipt.organisation), _text(receipt.lane)]
    if receipt.items:
        out.append(_varint(len(receipt.items)))
        topics = {item.topic: _text(item.topic) for item in receipt.items}
        for item in receipt.items:
            out += _receipt_item(item, topics[item.topic])
    out.append(b"\x00")
    return b"".join(out)


def _receipt_item(item: ReceiptItem, topic: bytes) -> list[bytes]:
    event_id, first_index = item.event_id, item.first_index
    offset = _varint(item.offset)
    out = [
        topic,
        _varint(item.partition),
        offset,
        offset if item.last_offset == item.offset else _varint(item.last_offset),
        b"\x00" if event_id is None else b"\x02" + event_id,
        _varint(item.outcome),
        _varint(item.index),
        b"\x00" if first_index is None else b"\x02" + _varint(first_index),
        item.leaf_hash,
        _varint(item.time),
    ]
    if item.reasons:
        out += [_varint(len(item.reasons)), *map(_text, item.reasons)]
    out.append(b"\x00")
    return out


_MAX_CACHED = 8192
_recipients: dict[tuple[str, bool, str, str], bytes] = {}


def encode_decision(decision: Decision) -> bytes:
    """A decision's bytes. Recipients come in the order of their ids, each once.

    Raises:
        ValueError: they do not.
    """
    recipients = decision.recipients
    if not recipients:
        return decision.nonce + b"\x00"
    out = [decision.nonce, _varint(len(recipients))]
    last = ""
    for recipient in recipients:
        org = recipient.org
        if org <= last:
            raise ValueError("the recipients of a decision are sorted, each once")
        last = org
        key = (org, recipient.allow, recipient.reason, recipient.lane)
        out.append(_recipients.get(key) or _recipient(key))
        seq = recipient.seq
        out.append(b"\x00" if seq is None else b"\x02" + _varint(seq))
    out.append(b"\x00")
    return b"".join(out)


def _recipient(key: tuple[str, bool, str, str]) -> bytes:
    """All of a recipient but its number."""
    if len(_recipients) >= _MAX_CACHED:
        _recipients.clear()
    org, allow, reason, lane = key
    out = _recipients[key] = b"".join((_text(org), b"\x01" if allow else b"\x00", _text(reason), _text(lane)))
    return out


def _text(text: str) -> bytes:
    raw = text.encode()
    return _varint(len(raw)) + raw


_SHORT = tuple(bytes((n << 1,)) for n in range(64))


def _varint(number: int) -> bytes:
    """A whole number from 0 on, zigzag."""
    if number < 64:
        return _SHORT[number]
    number <<= 1
    if number < 0x4000:
        return bytes((number & 127 | 128, number >> 7))
    if number < 0x200000:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _write(info: SchemaInfo, part: str, record: msgspec.Struct) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, _bare(info, part), _builtins(record), strict=True)
    return out.getvalue()


def _builtins(record: msgspec.Struct) -> Any:
    return msgspec.to_builtins(record, builtin_types=(bytes,))


@cache
def _bare(info: SchemaInfo, part: str) -> Any:
    """The part's schema, ready for fastavro."""
    record: shapes.Record | None = getattr(registry.shape(info), part)
    if record is None:
        raise ValueError(f"{info.name} has no {part}")
    return fastavro.parse_schema(shapes.avro(record), named_schemas={})


__all__ = [
    "FRAME",
    "MAX_BODY",
    "MAX_HEADER",
    "MAX_SEALED",
    "MAX_VALUE",
    "Decision",
    "Decoded",
    "Receipt",
    "Recipient",
    "assemble",
    "decode",
    "decode_decision",
    "decode_plaintext",
    "decode_receipt",
    "encode_body",
    "encode_decision",
    "encode_header",
    "encode_plaintext",
    "encode_receipt",
    "encode_sealed",
]
