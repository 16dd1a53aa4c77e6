"""Verify evidence of Safeguard Bus with hashlib and PyNaCl alone: python verify_evidence.py POLICY FILE...

It shares no code with the bus, so a mistake in one is not a mistake in both. For each file it says "holds" or the
first thing that is wrong, and ends with 3 if anything is. ML-DSA cosignatures are passed over: they count for nothing.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import sys
import zipfile
import zlib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl import exceptions, signing

ALWAYS = {"event.tlog-proof", "leaf", "header", "decision", "bus-signature"}
LEAF = "version outcome time topic part offset last fp header body sealed bus-signature value decision policy first"
DECISION = ("string", "boolean", "string", "string", ["null", "long"])  # org, allow, reason, lane, seq


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
        return signing.VerifyKey(key).verify(message, signature) == message
    except (exceptions.CryptoError, ValueError):
        return False


def unzip(data: bytes) -> dict[str, bytes]:
    """Read a stored ZIP, then make it again in its one form and compare: no byte of the container is free."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        need(sum(info.file_size for info in archive.infolist()) < len(data), "the file is compressed")
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    body, central = b"", b""
    for name, part in sorted(files.items()):
        facts = struct.pack("<HHHHIIIHH", 0, 0, 0, 33, zlib.crc32(part), len(part), len(part), len(name), 0)
        central += b"PK\x01\x02\x0a\0\x0a\0" + facts + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04\x0a\0" + facts + name.encode() + part
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(body), 0)
    need(body + central + end == data, "the file is not evidence in its one form")
    return files


class Policy:
    """Logs, witnesses, groups and the quorum of a c2sp.org/tlog-policy file."""

    def __init__(self, text: str) -> None:
        self.keys, self.quorum = dict[tuple[str, bytes], tuple[str, int, bytes]](), ""
        self.groups = list[tuple[str, int, list[str]]]()
        once: list[tuple[str, object]] = [("name", "none"), ("member", "none")]
        for words in (line.split() for line in text.split("\n") if line.split() and line.split()[0][0] != "#"):
            if words[0] in {"log", "witness"}:
                cosigner = words.pop(1) if words[0] == "witness" else ""
                name, ident, key = (*words[1].split("+", 2)[:2], b64(words[1].split("+", 2)[2]))
                fits = h(name.encode(), b"\n", key)[:4].hex() == ident and (key[0] == 1) != bool(cosigner)
                need(fits and len(words) < 4, "a key of the policy is not in its one form")
                once += [("key", key[1:]), ("name", cosigner or key)]
                self.keys[name, bytes.fromhex(ident)] = (cosigner, key[0], key[1:])
            elif words[0] == "group":
                count = {"any": 1, "all": len(words) - 3}.get(words[2]) or number(words[2])
                need(0 < count < len(words) - 2 and {("name", one) for one in words[3:]} <= {*once}, "a group is none")
                once += [("name", words[1]), *(("member", one) for one in words[3:])]
                self.groups.append((words[1], count, words[3:]))
            else:
                need(words[0] == "quorum" and not self.quorum and len(words) == 2, "a line of the policy is none")
                self.quorum = words[1]
        need(("name", self.quorum) in once and len({*once}) == len(once), "a key or name counts twice, or no quorum")

    def judge(self, note: bytes) -> tuple[str, int, bytes, list[int]]:
        """Origin, size, root and the witnesses' times of a checkpoint that log and quorum have signed."""
        text, _, lines = note.rpartition(b"\n\n")
        origin, size, root = text.decode().split("\n")
        text, by_log, witnesses, times = text + b"\n", False, {"none"}, list[int]()
        for line in lines.decode()[:-1].split("\n"):
            dash, name, encoded = line.split(" ")
            blob = b64(encoded)
            need(dash == "\u2014" and (name, blob[:4]) in self.keys, "the checkpoint has a stranger's signature")
            witness, kind, key = self.keys[name, blob[:4]]
            at = int.from_bytes(blob[4:12]) if kind == 4 else 0  # 0 is no time: it counts for nothing
            times, witnesses = ([*times, at], witnesses | {witness}) if at else (times, witnesses)
            by_log |= kind == 1 and not witness and name == origin
            message = b"cosignature/v1\ntime %d\n" % at + text if at else text
            need(kind == 6 or signed_by(key, message, blob[12 if at else 4 :]), f"{name}'s signature does not hold")
        need(by_log and lines.endswith(b"\n"), "no log of the policy signed the checkpoint")
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
        left = h(b"\x01", sibling, left) if index & 1 else left
        node = h(b"\x01", sibling, node) if index & 1 else h(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "a path is too short")  # and one that is too long leads elsewhere
    return node, left


def avro(shape: Any, data: io.BytesIO, names: dict[str, Any]) -> Any:
    """A value of Avro's binary form; ``names`` are the shapes that others refer to."""
    if isinstance(shape, list):
        return avro(shape[avro("long", data, names)], data, names)
    kind, value, shift = shape["type"] if isinstance(shape, dict) else shape, 0, 0
    if kind in ("null", "boolean"):
        return None if kind == "null" else data.read(1) == b"\x01"
    if kind in ("int", "long"):
        while (byte := data.read(1)[0]) > 127:
            value, shift = value | (byte & 127) << shift, shift + 7
        value |= byte << shift
        return (value >> 1) ^ -(value & 1)
    if kind in ("bytes", "string", "fixed"):
        raw = data.read(shape["size"] if kind == "fixed" else avro("long", data, names))
        return raw.decode() if kind == "string" else raw
    if kind == "array":
        items = [avro(shape["items"], data, names) for _ in range(avro("long", data, names))]
        need(not items or avro("long", data, names) == 0, "an array is not in its one form")
        return items
    if kind == "record":
        return {field["name"]: avro(field["type"], data, names) for field in shape["fields"]}
    return avro(kind if isinstance(kind, (dict, list)) else names[kind], data, names)


class Entry:
    """One entry, with everything in it checked against its leaf, and the leaf against the checkpoint."""

    def __init__(self, files: dict[str, bytes], schema: bytes, policy: Policy) -> None:
        need(ALWAYS <= files.keys() <= ALWAYS | {"body", "sealed"}, "a file is missing, or one too many")
        head, _, self.note = files["event.tlog-proof"].partition(b"\n\n")
        first, index, *path = head.decode().split("\n")
        need(first == "c2sp.org/tlog-proof@v1" and index[:6] == "index ", "the proof is not in its one form")
        self.index, (self.origin, self.size, self.root, self.times) = number(index[6:]), policy.judge(self.note)
        node = climb(self.index, self.size - 1, h(b"\0", files["leaf"]), [b64(line) for line in path])[0]
        need(self.index < self.size and node == self.root, "there is no such entry in the log")
        fields = struct.unpack(">BBq32sIQQ" + "32s" * 8 + "Q16s32s", files["leaf"])
        leaf: dict[str, Any] = dict(zip(LEAF.split(), fields, strict=False))
        self.time, self.fp, (event_id, self.commitment) = leaf["time"], leaf["fp"], fields[-2:]
        need(fields[:2] == (1, 1) and leaf["first"] == self.index, "the event was not accepted there")
        for name in files.keys() - {"event.tlog-proof", "leaf"}:
            need(h(files[name]) == leaf[name], f"{name} is not what was recorded")
        committed = h(b"safeguard/event/v1\0", self.fp, leaf["header"], leaf["body"], leaf["sealed"])
        need((h(schema), committed) == (self.fp, self.commitment), "schema or commitment is not the one recorded")
        kinds, seen = ("record", "fixed"), dict[str, Any]()
        form = json.loads(schema, object_hook=lambda p: seen.setdefault(p["name"], p) if p.get("type") in kinds else p)
        self.type, (header, body) = str(form["name"]), (field["type"] for field in form["fields"][:2])
        self.header = avro(header, io.BytesIO(files["header"]), seen)
        self.body = avro(body, io.BytesIO(files["body"]), seen) if {"body", "sealed"} <= files.keys() else {}
        decision = io.BytesIO(files["decision"][16:])
        self.decision = [[avro(kind, decision, {}) for kind in DECISION] for _ in range(avro("long", decision, {}))]
        self.issuer, self.signature = str(self.header["issuer"]), files["bus-signature"]
        lane = "" if self.header["lane"] == "bulk" else "." + self.header["lane"]
        says = (self.header["event_id"], self.header["hub"], h(f"out.{self.issuer}{lane}".encode()))
        need(says == (event_id, self.origin, leaf["topic"]), "it is another event's header, or from another's outbox")
        head = b"\x01" + sized(self.origin, self.issuer)
        self.batch = self.signature[44 : 44 + struct.unpack_from(">H", self.signature, 42)[0]]
        need(self.batch.startswith(head), f"the signature on entry {self.index} is another's, or for another log")
        self.key_id, self.batch_size = struct.unpack_from(">32s24xH", self.batch, len(head))

    def check_signature(self, key: bytes) -> None:
        """The batch that the sender signed holds this event, under this key."""
        rest = self.signature[44 + len(self.batch) :]
        nodes = [rest[at : at + 32] for at in range(2, len(rest) - 64, 32)]
        payload = self.batch + climb(rest[0], self.batch_size - 1, h(b"\0", self.commitment), nodes)[0]
        message = b"DSSEv1 34 application/vnd.safeguard.batch.v1 %d %b" % (len(payload), payload)
        holds = signed_by(key, message, rest[-64:]) and self.signature[10:42] == self.fp
        need(holds and h(b"\x01", key) == self.key_id, f"the signature on entry {self.index} does not hold")


def proven(entry: Entry, owner: Any) -> bool:
    """A registered key is the one that its id names, its holder signed for it, and its owner too where that is said."""
    body, what = entry.body, sized(entry.origin, entry.body["org"]) + entry.body["key_id"]
    key, ident, again = body["public_key"], body["key_id"], body["recovery_signature"]
    recovery = owner.get("recovery_key")
    recovered = not (again and recovery) or signed_by(recovery, b"safeguard/key-recovery/v1\0" + what, again)
    if body["use"] == "sealing":
        return recovered and len(key) == 1216 and ident == h(b"\x02", key)
    held = ident == h(b"\x01", key) and signed_by(key, b"safeguard/key-proof/v1\0" + what, body["proof"] or b"")
    return recovered and held and body["use"] == "signing"


def take(known: dict[Any, Any], entry: Entry) -> None:
    """Check an entry of the directory with the hub's key and against those before it; note what it says of whom."""
    kind, body = entry.type, entry.body
    need(entry.issuer == "hub" and body, "the directory is another's, or erased")
    need((kind == "LogOpened") == (not entry.index) == (not known), "no entry 0 opens the log")
    hub = known["hub"]["hub_key"] if known else body["hub_key"]
    entry.check_signature(hub)
    ident = body.get("key_id") or body.get("agreement") or body.get("org", "hub")
    last, stands = 1 << 63 if body.get("valid_to") is None else body["valid_to"], known.get(ident, {})
    valid = range(body.get("valid_from", 0), last + 1)
    fits = {
        "LogOpened": body.get("origin") == entry.origin,
        "OrganisationAdmitted": not stands,
        "OrganisationSuspended": stands and ident != "hub",
        "KeyRegistered": not stands and valid and "proof" in body and proven(entry, known[body["org"]]),
        "KeyRevoked": stands and "compromised_since" not in stands and ident != h(b"\x01", hub),
        "AgreementConcluded": valid and set(body.get("members", ())) <= known.keys() - {"hub"},
        "AgreementEnded": stands and stands["kind"] == "AgreementConcluded",
    }
    need(fits.get(kind), f"entry {entry.index} ({kind}) does not fit the directory before it")
    known[ident] = {**stands, **body, "kind": kind, "step": entry.header["step"], "valid": valid}
    always = range(entry.header["issued_at"], 1 << 63)
    known.setdefault(h(b"\x01", hub), {"org": "hub", "use": "signing", "public_key": hub, "valid": always})


def check(known: dict[Any, Any], event: Entry) -> None:
    """The issuer was admitted and signed with a key of its own; those decided on are those it addressed."""
    issuer, key, named = known.get(event.issuer), known.get(event.key_id, {}), set[str](event.header["audience"])
    need(issuer and issuer["step"] != "suspended", "the issuer is not shown to have been admitted")
    ours = key and (key["org"], key["use"]) == (event.issuer, "signing") and event.time in key["valid"]
    need(ours and "compromised_since" not in key, "no key of the issuer is shown that was valid then")
    event.check_signature(key["public_key"])
    circles = [known.get(one, {}) for one in named if one[0] == "@"]
    if all(circle.get("kind") == "AgreementConcluded" and event.time in circle["valid"] for circle in circles):
        meant = {one for one in named if one[0] != "@"}.union(*(circle["members"] for circle in circles))
        need({org for org, *_ in event.decision} == meant - {event.issuer}, "others were decided on than addressed")


def verify(data: bytes, policy: Policy) -> str:
    """Check one file; say in a sentence what it proves."""
    files, folders = unzip(data), dict[str, dict[str, bytes]]()
    for (folder, _, name), part in ((f"/{name}".rpartition("/"), part) for name, part in files.items()):
        folders.setdefault(folder, {})[name] = part
    own, schemas = folders.pop(""), folders.pop("/directory", {})
    schema, note, path = (own.pop(f, None) for f in ("schema.avsc", "earlier.checkpoint", "earlier.consistency"))
    event = Entry(own, schema or b"", policy)
    numbered = sorted((number(name.removeprefix("/directory/")), part) for name, part in folders.items())
    directory = [Entry(part, schemas[part["leaf"][62:94].hex() + ".avsc"], policy) for _, part in numbered]
    placed = [(entry.index, entry.note) for entry in directory] == [(index, event.note) for index, _ in numbered]
    need(placed, "an entry of the directory stands elsewhere")
    need({entry.fp.hex() + ".avsc" for entry in directory} == schemas.keys(), "a schema is of no use")
    known, count = dict[Any, Any](), sum(entry.index < max(event.index, 1) for entry in directory)
    for entry in (*directory[:count], event, *directory[count:]):
        (check if entry is event else take)(known, entry)
    lost = known[event.key_id].get("compromised_since")
    need(lost is None or lost > event.time, "others may have had the key before the event: it was revoked later")
    need(all(event.time <= (at + 60) * 1_000_000 for at in event.times), "it is post-dated")
    bounds = f"before the checkpoint of {event.size} entries"
    if note is not None or path is not None:
        origin, size, root, times = policy.judge(note or b"")
        *lines, end = (path or b"").decode().split("\n")
        need(not end and origin == event.origin and 0 < size <= event.index, "the earlier checkpoint is not earlier")
        shift = (size & -size).bit_length() - 1
        first, *nodes = [root][bool(size & (size - 1)) :] + [b64(line) for line in lines]
        roots = climb((size - 1) >> shift, (event.size - 1) >> shift, first, nodes)
        need(roots == (event.root, root), "the log was changed since the earlier checkpoint")
        need(event.time >= (max(times, default=60) - 60) * 1_000_000, "it is back-dated")
        bounds = f"after the checkpoint of {size} entries, {bounds}"
    allowed = ", ".join(org for org, allow, *_ in event.decision if allow) or "the directory's readers"
    when = datetime.fromtimestamp(event.time / 1_000_000, UTC).isoformat()
    what = f"{event.type} {event.header['step']} of {event.issuer}, for {allowed}"
    return f"entry {event.index} of {event.origin}: {what}; recorded {when}, {bounds}"


if __name__ == "__main__":
    believed, wrong = None, 0 if len(sys.argv) > 2 else sys.exit(__doc__)
    for file in sys.argv[1:]:
        try:
            if believed:
                print(f"{file}: holds: {verify(Path(file).read_bytes(), believed)}")
            believed = believed or Policy(Path(file).read_text(encoding="utf-8"))
        except Exception as error:  # noqa: BLE001 - whatever a file does to us, it does not hold
            wrong = 3 if believed else sys.exit(f"{file} is not a policy that can be read")
            print(f"{file}: FALSE: {error.args[0] if type(error) is LookupError else 'the file is malformed'}")
    sys.exit(wrong)
