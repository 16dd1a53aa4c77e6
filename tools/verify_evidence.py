"""Verify evidence of Safeguard Bus with hashlib and PyNaCl alone: python verify_evidence.py POLICY FILE...

It shares no code with the bus, so a mistake in one is not a mistake in both. For each file it says "holds" or the
first thing that is wrong, and ends with 3 if anything is. ML-DSA cosignatures are passed over: they count for nothing.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

ALWAYS = {"event.tlog-proof", "leaf", "header", "decision", "bus-signature"}
DIRECTORY_TYPES = {"LogOpened", "OrganisationAdmitted", "KeyRegistered"}
LEAF = (
    "version outcome time topic partition offset last fp header body sealed bus-signature value decision policy first"
)
RECIPIENT = {"org": "string", "allow": "boolean", "reason": "string", "lane": "string", "seq": ["null", "long"]}
PAYLOAD = b"application/vnd.safeguard.batch.v1"
Files = dict[str, bytes]


def need(holds: object, what: str) -> None:
    if not holds:
        raise LookupError(what)


def h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def sized(*texts: str) -> bytes:
    return b"".join(struct.pack(">H", len(text)) + text.encode() for text in texts)


def b64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base 64 is not in its one form")
    return data


def number(text: str) -> int:
    need(text.isascii() and text.isdigit() and str(int(text)) == text, "a number is not in its one form")
    return int(text)


def signed_by(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def unzip(data: bytes) -> Files:
    """Read a stored ZIP header by header, then make it again in its one form and compare."""
    files, at = Files(), 0
    while data[at : at + 4] == b"PK\x03\x04":
        size, name_size = struct.unpack_from("<22xIH", data, at)
        name = data[at + 30 : at + 30 + name_size].decode("ascii")
        at += 30 + name_size + size
        files[name] = data[at - size : at]
    body, central = b"", b""
    for name in sorted(files):
        part, size = files[name], len(files[name])
        facts = struct.pack("<HHHHIIIHH", 0, 0, 0, 33, zlib.crc32(part), size, size, len(name), 0)
        central += b"PK\x01\x02\x0a\0\x0a\0" + facts + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04\x0a\0" + facts + name.encode() + part
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(body), 0)
    need(body + central + end == data, "the file is not evidence in its one form")
    return files


class Policy:
    """Logs, witnesses, groups and the quorum of a c2sp.org/tlog-policy file."""

    def __init__(self, text: str) -> None:
        self.keys: dict[tuple[str, bytes], tuple[str, int, bytes]] = {}
        self.groups: list[tuple[str, int, list[str]]] = []
        self.quorum = ""
        for words in (line.split() for line in text.split("\n") if line.split() and line.split()[0][0] != "#"):
            if words[0] in {"log", "witness"}:
                name, ident, material = words[1 if words[0] == "log" else 2].split("+", 2)
                key = b64(material)
                need(h(name.encode(), b"\n", key)[:4].hex() == ident, "a key of the policy has another id")
                self.keys[name, bytes.fromhex(ident)] = ("" if words[0] == "log" else words[1], key[0], key[1:])
            elif words[0] == "group":
                count = {"any": 1, "all": len(words) - 3}.get(words[2]) or number(words[2])
                self.groups.append((words[1], count, words[3:]))
            else:
                need(words[0] == "quorum" and not self.quorum, "the policy has a line that is not known")
                self.quorum = words[1]

    def judge(self, note: bytes) -> tuple[str, int, bytes, list[int]]:
        """Origin, size, root and the witnesses' times of a checkpoint that log and quorum have signed."""
        text, _, lines = note.rpartition(b"\n\n")
        origin, size, root = text.decode().split("\n")
        text, by_log, witnesses, times = text + b"\n", False, {"none"}, list[int]()
        need(lines.endswith(b"\n"), "the checkpoint is not in its one form")
        for line in lines.decode()[:-1].split("\n"):
            dash, name, encoded = line.split(" ")
            blob = b64(encoded)
            need(dash == "\u2014" and (name, blob[:4]) in self.keys, "the checkpoint has a stranger's signature")
            witness, kind, key = self.keys[name, blob[:4]]
            if kind == 1:
                need(signed_by(key, text, blob[4:]), "the log's signature does not hold")
                by_log |= not witness and name == origin
            elif kind == 4:
                times.append(int.from_bytes(blob[4:12]))
                message = b"cosignature/v1\ntime %d\n" % times[-1] + text
                need(signed_by(key, message, blob[12:]), f"the cosignature of {name} does not hold")
                witnesses.add(witness)
        need(by_log, "no log of the policy signed the checkpoint")
        for name, count, members in self.groups:
            witnesses |= {name} if len(witnesses.intersection(members)) >= count else set()
        need(self.quorum in witnesses, "too few witnesses cosigned the checkpoint")
        return origin, number(size), b64(root), times


def climb(index: int, last: int, node: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """The root that a path leads to (RFC 9162 §2.1.3.2), and the root of what stands up to the leaf (§2.1.4.2)."""
    left = node
    for sibling in path:
        while index == last and not index & 1 and last:
            index, last = index >> 1, last >> 1
        need(last > 0, "a path is too long")
        left = h(b"\x01", sibling, left) if index & 1 else left
        node = h(b"\x01", sibling, node) if index & 1 else h(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "a path is too short")
    return node, left


def consistent(old: int, new: int, old_root: bytes, root: bytes, path: list[bytes]) -> bool:
    shift = (old & -old).bit_length() - 1
    first, *path = path if old & (old - 1) else [old_root, *path]
    return climb((old - 1) >> shift, (new - 1) >> shift, first, path) == (root, old_root)


def named(part: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return names.setdefault(part["name"], part) if str(part.get("type")) in {"record", "fixed"} else part


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] > 127:
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
    value |= data[at] << shift
    return (value >> 1) ^ -(value & 1), at + 1


def avro(shape: Any, data: bytes, at: int, names: dict[str, Any]) -> tuple[Any, int]:
    """A value of Avro's binary form, and where it ends."""
    if isinstance(shape, list):
        branch, at = varint(data, at)
        return avro(shape[branch], data, at, names)
    kind = shape["type"] if isinstance(shape, dict) else shape
    if kind in {"null", "boolean", "int", "long"}:
        return (None, at) if kind == "null" else (bool(data[at]), at + 1) if kind == "boolean" else varint(data, at)
    if kind in {"bytes", "string", "fixed"}:
        size, at = (shape["size"], at) if kind == "fixed" else varint(data, at)
        raw = data[at : at + size]
        return (raw.decode() if kind == "string" else raw), at + size
    if kind == "array":
        items, (count, at) = list[Any](), varint(data, at)
        for _ in range(count):
            item, at = avro(shape["items"], data, at, names)
            items.append(item)
        return items, at + bool(count)  # a block that is not empty has an empty one behind it
    if kind == "record":
        record = dict[str, Any]()
        for field in shape["fields"]:
            record[field["name"]], at = avro(field["type"], data, at, names)
        return record, at
    return avro(kind if isinstance(kind, (dict, list)) else names[kind], data, at, names)


class Entry:
    """One entry, with everything in it checked against its leaf, and the leaf against the checkpoint."""

    def __init__(self, files: Files, schema: bytes, policy: Policy) -> None:
        need(ALWAYS <= files.keys() <= ALWAYS | {"body", "sealed"}, "a file is missing, or one too many")
        head, _, self.note = files["event.tlog-proof"].partition(b"\n\n")
        first, index, *path = head.decode().split("\n")
        need(first == "c2sp.org/tlog-proof@v1" and index[:6] == "index ", "the proof is not in its one form")
        self.index, (self.origin, self.size, self.root, self.times) = number(index[6:]), policy.judge(self.note)
        need(self.index < self.size, "the entry is not under the checkpoint")
        node = climb(self.index, self.size - 1, h(b"\0", files["leaf"]), [b64(line) for line in path])[0]
        need(node == self.root, "there is no such entry in the log")
        fields = struct.unpack(">BBq32sIQQ" + "32s" * 8 + "Q16s32s", files["leaf"])
        leaf: dict[str, Any] = dict(zip(LEAF.split(), fields, strict=False))
        self.time, self.fp, (event_id, self.commitment) = leaf["time"], leaf["fp"], fields[-2:]
        need(fields[:2] == (1, 1) and leaf["first"] == self.index, "the event was not accepted there")
        for name in files.keys() - {"event.tlog-proof", "leaf"}:
            need(h(files[name]) == leaf[name], f"{name} is not what was recorded")
        need(h(schema) == self.fp, "the schema is not the one recorded")
        digests = (self.fp, leaf["header"], leaf["body"], leaf["sealed"])
        need(self.commitment == h(b"safeguard/event/v1\0", *digests), "the commitment is not the event's")
        names: dict[str, Any] = {}
        shape = json.loads(schema, object_hook=lambda part: named(part, names))
        self.type: str = shape["name"]
        header, body = (field["type"] for field in shape["fields"][:2])
        self.header = avro(header, files["header"], 0, names)[0]
        self.body = avro(body, files["body"], 0, names)[0] if {"body", "sealed"} <= files.keys() else {}
        fields = [{"name": name, "type": kind} for name, kind in RECIPIENT.items()]
        recipients = {"type": "array", "items": {"type": "record", "fields": fields}}
        self.decision: Any = avro(recipients, files["decision"], 16, {})[0]
        self.issuer, self.signature = str(self.header["issuer"]), files["bus-signature"]
        lane = "" if self.header["lane"] == "bulk" else "." + self.header["lane"]
        need(h(f"out.{self.issuer}{lane}".encode()) == leaf["topic"], "it came from another's outbox")
        need((self.header["event_id"], self.header["hub"]) == (event_id, self.origin), "it is another event's header")

    def check_signature(self, key: bytes) -> None:
        """The batch that the sender signed holds this event, under this key."""
        end = 44 + struct.unpack_from(">H", self.signature, 42)[0]
        batch, rest = self.signature[44:end], self.signature[end:]
        named = b"\x01" + sized(self.origin, self.issuer)
        need(batch.startswith(named + h(b"\x01", key)), f"entry {self.index} is signed by another, or with another key")
        size = struct.unpack_from(">H", batch, len(named) + 56)[0]
        nodes = [rest[at : at + 32] for at in range(2, len(rest) - 64, 32)]
        payload = batch + climb(rest[0], size - 1, h(b"\0", self.commitment), nodes)[0]
        message = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD), PAYLOAD, len(payload), payload)
        need(signed_by(key, message, rest[-64:]), f"the signature on entry {self.index} does not hold")


def check_issuer(event: Entry, directory: list[Entry]) -> None:
    """Check the directory's entries with the hub's key, and the event with a key that they give its issuer."""
    hub, admitted, keys = b"", set[str](), list[bytes]()
    for entry in directory:
        body = entry.body
        need(entry.note == event.note and entry.issuer == "hub", "the directory is another's")
        need(entry.type in DIRECTORY_TYPES and body, "the directory has an entry that is not known here")
        need((entry.type == "LogOpened") == (entry.index == 0) and (hub or not entry.index), "no entry 0 opens the log")
        hub = hub or body["hub_key"]
        entry.check_signature(hub)
        if entry.index < event.index and body.get("org") == event.issuer:
            admitted |= {event.issuer} if entry.type == "OrganisationAdmitted" else set()
            late = event.time < body.get("valid_from", 0) or (body.get("valid_to") or event.time) < event.time
            if entry.type == "KeyRegistered" and body["use"] == "signing" and admitted and not late:
                message = b"safeguard/key-proof/v1\0" + sized(event.origin, event.issuer) + body["key_id"]
                proven = signed_by(body["public_key"], message, body["proof"])
                need(proven, "a key was registered without the proof that it was held")
                keys.append(body["public_key"])
    keys = [hub] if event.issuer == "hub" and hub else keys
    need(keys, "no key of the issuer is shown that was valid then")
    event.check_signature(next((key for key in keys if h(b"\x01", key) in event.signature), keys[0]))


def verify(data: bytes, policy: Policy) -> str:
    """Check one file; say in a sentence what it proves."""
    files, folders = unzip(data), dict[str, Files]()
    for name, part in files.items():
        folders.setdefault(name.rpartition("/")[0], {})[name.rpartition("/")[2]] = part
    own, schemas = folders.pop(""), folders.pop("directory", {})
    schema, note, path = (own.pop(f, None) for f in ("schema.avsc", "earlier.checkpoint", "earlier.consistency"))
    event = Entry(own, schema or b"", policy)
    numbered = sorted((number(name.removeprefix("directory/")), part) for name, part in folders.items())
    directory = [Entry(part, schemas[part["leaf"][62:94].hex() + ".avsc"], policy) for _, part in numbered]
    need([entry.index for entry in directory] == [index for index, _ in numbered], "an entry stands elsewhere")
    need({entry.fp.hex() + ".avsc" for entry in directory} == schemas.keys(), "a schema is of no use")
    check_issuer(event, directory)
    need(all(event.time <= (at + 60) * 1_000_000 for at in event.times), "it is post-dated")
    bounds = f"before the checkpoint of {event.size} entries"
    if note is not None or path is not None:
        origin, size, root, times = policy.judge(note or b"")
        nodes = [b64(line) for line in (path or b"").decode().split("\n")[:-1]]
        need(b"".join(base64.b64encode(node) + b"\n" for node in nodes) == path, "the consistency proof is malformed")
        need(origin == event.origin and 0 < size <= event.index, "the earlier checkpoint is not earlier")
        need(consistent(size, event.size, root, event.root, nodes), "the log was changed since the earlier checkpoint")
        need(event.time >= (max(times, default=60) - 60) * 1_000_000, "it is back-dated")
        bounds = f"after the checkpoint of {size} entries, {bounds}"
    allowed = ", ".join(one["org"] for one in event.decision if one["allow"]) or "the directory's readers"
    when = datetime.fromtimestamp(event.time / 1_000_000, UTC).isoformat()
    what = f"{event.type} {event.header['step']} of {event.issuer}, for {allowed}; recorded {when}, {bounds}"
    return f"entry {event.index} of {event.origin}: {what}"


def main(policy_file: str, *names: str) -> int:
    policy, wrong = Policy(Path(policy_file).read_text(encoding="utf-8")), 0
    for name in names:
        try:
            print(f"{name}: holds: {verify(Path(name).read_bytes(), policy)}")
        except Exception as error:  # noqa: BLE001 - whatever a file does to us, it does not hold
            wrong += 1
            print(f"{name}: FALSE: {error.args[0] if type(error) is LookupError else 'the file is malformed'}")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
