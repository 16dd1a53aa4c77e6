"""Verify evidence of Safeguard Bus with hashlib and PyNaCl alone: python verify_evidence.py POLICY FILE...

It shares no code with the bus: a mistake in one is none in both. For each file it says "holds" or the first thing that
is wrong. It ends with 3 if any is, with 2 if one cannot be read. ML-DSA signatures are passed over: they do not count.
"""

from __future__ import annotations

import binascii
import io
import json
import re
import struct
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl import exceptions, signing

PARTS = ("header", "body", "sealed")
ALWAYS = {"event.tlog-proof", "leaf", "header", "decision", "bus-signature"}
DECIDED = {"org": "string", "allow": "boolean", "reason": "string", "lane": "string", "seq": ["null", "long"]}
FIELDS = [{"name": name, "type": kind} for name, kind in DECIDED.items()]


def need(holds: object, what: str = "a value is not in its one form") -> None:
    if not holds:
        raise LookupError(what)


def h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def b64(text: str, size: int = 0) -> bytes:
    data = binascii.a2b_base64(text, strict_mode=True)
    need(binascii.b2a_base64(data, newline=False).decode() == text and len(data) == (size or len(data)))
    return data


def number(text: str) -> int:
    need(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 1 << 63)
    return int(text)


def signed_by(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return signing.VerifyKey(key).verify(message, signature) == message
    except (exceptions.CryptoError, ValueError):
        return False


class Policy:  # noqa: D101 - logs, witnesses, groups and the quorum of a c2sp.org/tlog-policy file
    def __init__(self, data: bytes) -> None:
        need(len(data) <= 1 << 20 and not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", data), "the policy is no text")
        self.keys, self.groups = dict[tuple[str, bytes], tuple[str, int, bytes]](), list[tuple[str, int, list[str]]]()
        self.quorum, once = "", list[tuple[str, object]]([("name", "none"), ("member", "none")])
        lines = (re.findall("[^ \t]+", line) for line in data.decode("utf-8", "surrogateescape").split("\n"))
        for words in (words for words in lines if words and words[0][0] != "#"):
            if words[0] in {"log", "witness"}:
                cosigner = [words.pop(1)] if words[0] == "witness" else []
                name, ident, text = words[1].split("+", 2)
                key, kinds = b64(text), {(4, 33) if cosigner else (1, 33), (6, 1313)}
                fits = h(name.encode(), b"\n", key)[:4].hex() == ident and name.split() == [name] and len(words) < 4
                need(fits and (key[0], len(key)) in kinds, "a key is not in its one form")
                once += [("key", key[1:]), ("id", name + ident), *(("name", one) for one in cosigner)]
                self.keys[name, bytes.fromhex(ident)] = ("".join(cosigner), key[0], key[1:])
            elif words[0] == "group":
                count = {"any": 1, "all": len(words) - 3}.get(words[2]) or number(words[2])
                need(0 < count < len(words) - 2 and {("name", one) for one in words[3:]} <= {*once}, "a group is none")
                once += [("name", words[1]), *(("member", one) for one in words[3:])]
                self.groups.append((words[1], count, words[3:]))
            else:
                need([words[0], self.quorum, ("name", words[1]) in once] == ["quorum", "", True], "a line is none")
                (self.quorum,) = words[1:]
        need(self.quorum and len({*once}) == len(once), "a key or name counts twice, or no quorum")

    def judge(self, note: bytes) -> tuple[str, int, bytes, list[int]]:
        """Origin, size, root and the witnesses' times of a checkpoint that log and quorum have signed."""
        text, _, lines = note.rpartition(b"\n\n")
        origin, size, root, *_ = text.decode().split("\n")
        text, by_log, witnesses, times = text + b"\n", False, {"none"}, list[int]()
        form = re.fullmatch(rb"(?:[^\0-\x1f]+\n){3,}\n(?:[^\0-\x1f]+\n){1,100}", note)
        need(form and len(note) <= 1 << 20, "the checkpoint is not in its one form")
        for line in lines.decode()[:-1].split("\n"):
            dash, name, encoded = line.split(" ")
            blob = b64(encoded)
            need(dash == "\u2014" and (name, blob[:4]) in self.keys, "a stranger signed it: it is for another policy")
            witness, kind, key = self.keys[name, blob[:4]]
            at = int.from_bytes(blob[4:12]) if kind == 4 else 0  # 0 is no time: it counts for nothing
            message = b"cosignature/v1\ntime %d\n" % at + text if kind == 4 else text
            holds = signed_by(key, message, blob[12 if kind == 4 else 4 :]) and at < 1 << 63
            need(holds or (kind == 6 and len(blob) == 2432), f"{name}'s signature does not hold")
            times, witnesses = ([*times, at], witnesses | {witness}) if at else (times, witnesses)
            by_log |= kind == 1 and name == origin
        need(by_log, "no log of the policy signed the checkpoint")
        for name, count, members in self.groups:
            witnesses |= {name} if len(witnesses.intersection(members)) >= count else set()
        need(self.quorum in witnesses, "too few witnesses cosigned the checkpoint")
        return origin, number(size), b64(root, 32), times


def climb(index: int, last: int, node: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """The root that a path leads to (RFC 9162 §2.1.3.2), and the root of what stands up to the leaf (§2.1.4.2)."""
    left = node
    for sibling in path:
        need(last, "a path is too long")
        while index == last and not index & 1:
            index, last = index >> 1, last >> 1
        left = h(b"\x01", sibling, left) if index & 1 else left
        node = h(b"\x01", sibling, node) if index & 1 else h(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "a path is too short")
    return node, left


def avro(shape: Any, data: io.BytesIO, names: dict[str, Any]) -> Any:
    """A value of Avro's binary form, which is the shortest; ``names`` are the shapes that others refer to."""
    if isinstance(shape, list):
        shape = dict(enumerate(shape))[avro("long", data, names)]
    kind, value, shift, byte = shape["type"] if isinstance(shape, dict) else shape, 0, 0, 128
    if kind in ("null", "boolean"):
        return None if kind == "null" else {b"\0": False, b"\1": True}[data.read(1)]
    if kind in ("int", "long"):
        while byte > 127:
            byte = data.read(1)[0]
            value, shift = value | (byte & 127) << shift, shift + 7
        need(value < 1 << 64 and (byte or shift == 7))
        return (value >> 1) ^ -(value & 1)
    if kind in ("bytes", "string", "fixed"):
        size = shape["size"] if kind == "fixed" else avro("long", data, names)
        raw = data.read(max(size, 0))
        need(len(raw) == size)
        return raw.decode() if kind == "string" else raw
    if kind == "array":
        count = avro("long", data, names)
        items = [avro(shape["items"], data, names) for _ in range(min(count, 4097))]
        need(0 <= count <= 4096 and (not items or avro("long", data, names) == 0))
        return items
    if kind == "record":
        return {field["name"]: avro(field["type"], data, names) for field in shape["fields"]}
    return avro(kind if isinstance(kind, (dict, list)) else names[kind], data, names)


class Entry:  # noqa: D101 - everything in it is checked against its leaf, and the leaf against the checkpoint
    def __init__(self, files: dict[str, bytes], schema: bytes, policy: Policy) -> None:
        need(ALWAYS <= files.keys() <= ALWAYS | {*PARTS}, "a file is missing, or one too many")
        head, _, self.note = files["event.tlog-proof"].partition(b"\n\n")
        first, index, *path = head.decode().split("\n")
        need(first == "c2sp.org/tlog-proof@v1" and index[:6] == "index ", "the proof is not in its one form")
        self.index, (self.origin, self.size, self.root, self.times) = number(index[6:]), policy.judge(self.note)
        node = climb(self.index, self.size - 1, h(b"\0", files["leaf"]), [b64(line, 32) for line in path])[0]
        need(self.index < self.size and node == self.root, "there is no such entry in the log")
        fields = struct.unpack(">BBq32sIQQ" + "32s" * 8 + "Q16s32s", files["leaf"])
        _, _, self.time, topic, _, offset, last, self.fp, *digests, first, event_id, commitment = fields
        need((*fields[:2], first, last) == (1, 1, self.index, offset), "the event was not accepted there")
        leaf = dict[str, bytes](zip((*PARTS, "bus-signature", "value", "decision"), digests, strict=False))
        for name in files.keys() - {"event.tlog-proof", "leaf"}:
            need(h(files[name]) == leaf[name], f"{name} is not what was recorded")
        committed = h(b"safeguard/event/v1\0", self.fp, leaf["header"], leaf["body"], leaf["sealed"])
        need((h(schema), committed) == (self.fp, commitment), "schema or commitment is not the one recorded")
        kinds, names, said = ("record", "fixed"), dict[str, Any](), dict[str, Any](body={})
        form = json.loads(schema, object_hook=lambda p: names.setdefault(p["name"], p) if p.get("type") in kinds else p)
        shapes = [(f["name"], f["type"]) for f in form["fields"] if files.keys() >= {*PARTS} or f["name"] == "header"]
        for name, shape in (*shapes, ("decision", {"type": "array", "items": {"type": "record", "fields": FIELDS}})):
            data = io.BytesIO(files[name][16 if name == "decision" else 0 :])  # a decision's nonce says nothing
            said[name] = avro(shape, data, names)
            need(not data.read(1))
        self.header, self.body, self.decision, self.type = said["header"], said["body"], said["decision"], form["name"]
        self.issuer, self.of_directory = str(self.header["issuer"]), form.get("directory")
        outbox = f"out.{self.issuer}" + {"bulk": "", "urgent": ".urgent"}[self.header["lane"]]
        says = (self.header["event_id"], self.header["hub"], h(outbox.encode()), self.header["step"] in form["steps"])
        need(says == (event_id, self.origin, topic, True), "it is another's header, or from another's outbox")
        data, header_len, body_len = files["bus-signature"], len(files["header"]), len(files.get("body", b""))
        *front, body_says, fp, size = struct.unpack_from(">BBII32sH", data)
        batch, (position, n), path = data[44 : 44 + size], data[44 + size : 46 + size], data[46 + size : -64]
        need([*front, fp, len(path)] == [1, 1, header_len, self.fp, 32 * n] and body_says == (body_len or body_says))
        whose = b"\x01\0%c%b\0%c%b" % (len(self.origin), self.origin.encode(), len(self.issuer), self.issuer.encode())
        need(batch.startswith(whose), f"the signature on entry {self.index} is another's, or for another log")
        self.key_id, _, seq, count, at, before = struct.unpack(">32s16sQHq32s", batch[len(whose) :])
        need(position < count <= 256 and at >= 0 and (seq == 0) == (before == bytes(32)))
        nodes = [path[at : at + 32] for at in range(0, len(path), 32)]
        payload = batch + climb(position, count - 1, h(b"\0", commitment), nodes)[0]
        self.signed = b"DSSEv1 34 application/vnd.safeguard.batch.v1 %d %b" % (len(payload), payload), data[-64:]

    def check_audience(self, known: dict[Any, Any]) -> None:
        """Those decided on are those addressed: members of agreements too, where shown, or the directory's readers."""
        named, told = {*self.header["audience"]}, [one["org"] for one in self.decision]
        circles = [known.get(one, {"kind": ""}) for one in named if one[0] == "@"]
        shown = all(circle["kind"] == "AgreementConcluded" and self.time in circle["valid"] for circle in circles)
        meant = {m for m in named if m[0] != "@"}.union(*(one.get("members", ()) for one in circles)) - {self.issuer}
        right = {*told} >= meant and (self.type == "Recall" or {*told} <= meant)  # all who had what is recalled hear it
        fits = (right or not shown) and named.isdisjoint({"hub", self.issuer}) and told == sorted({*told})
        need(fits or (self.of_directory and named == {"hub"} and not told), "others were decided on than addressed")

    def is_proven(self, owner: Any) -> bool:
        """A registered key is what its id names; its holder signed for it, and its owner too where that is said."""
        key, ident, org, use = (self.body[name] for name in ("public_key", "key_id", "org", "use"))
        again, recovery = self.body["recovery_signature"], owner.get("recovery_key")
        what = b"\0%c%b\0%c%b%b" % (len(self.origin), self.origin.encode(), len(org), org.encode(), ident)
        recovered = not (again and recovery) or signed_by(recovery, b"safeguard/key-recovery/v1\0" + what, again)
        held = use == "sealing" or signed_by(key, b"safeguard/key-proof/v1\0" + what, self.body["proof"] or b"")
        return held and recovered and ident == h({("signing", 32): b"\1", ("sealing", 1216): b"\2"}[use, len(key)], key)

    def take(self, known: dict[Any, Any]) -> None:
        """Check an entry of the directory with the hub's key and against those before it; note what it says of whom."""
        kind, body = self.type, self.body
        opens = (kind == "LogOpened") == (not self.index) == (not known)
        need(self.issuer == "hub" and body and opens, "the directory is another's, erased, or not opened by entry 0")
        hub = known["hub"]["hub_key"] if known else body["hub_key"]
        need(signed_by(hub, *self.signed) and h(b"\1", hub) == self.key_id, f"the hub did not sign entry {self.index}")
        self.check_audience(known)
        ident = body.get("key_id") or body.get("agreement") or body.get("org", "hub")
        last, stands = 1 << 63 if body.get("valid_to") is None else body["valid_to"], known.get(ident, {})
        valid = range(body.get("valid_from", 0), last + 1)
        fits = {
            "LogOpened": body.get("origin") == self.origin,
            "OrganisationAdmitted": not stands,
            "OrganisationSuspended": stands and ident != "hub",
            "KeyRegistered": not stands and valid and "proof" in body and self.is_proven(known[body["org"]]),
            "KeyRevoked": stands and "compromised_since" not in stands and ident != h(b"\x01", hub),
            "AgreementConcluded": valid and set(body.get("members", ())) <= known.keys() - {"hub"},
            "AgreementEnded": stands and stands["kind"] == "AgreementConcluded",
        }
        need(fits.get(kind), f"entry {self.index} ({kind}) does not fit the directory before it")
        known[ident] = {**stands, **body, "kind": kind, "step": self.header["step"], "valid": valid}
        always = range(self.header["issued_at"], 1 << 63)
        known.setdefault(h(b"\x01", hub), {"org": "hub", "use": "signing", "public_key": hub, "valid": always})


def verify(data: bytes, policy: Policy) -> str:
    """Check one file, a stored ZIP made again to compare: no byte of it is free. Say in a sentence what it proves."""
    files, folders, at, body, central = dict[str, bytes](), dict[str, dict[str, bytes]](), 0, b"", b""
    while data[at : at + 4] == b"PK\x03\x04":
        size, length = struct.unpack_from("<22xIH", data, at)
        name, at = data[at + 30 : at + 30 + length].decode("ascii"), at + 30 + length + size
        files[name] = data[at - size : at]
    for name, part in sorted(files.items()):
        facts = struct.pack("<HHHHIIIHH", 0, 0, 0, 33, binascii.crc32(part), len(part), len(part), len(name), 0)
        central += b"PK\x01\x02\x0a\0\x0a\0" + facts + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04\x0a\0" + facts + name.encode() + part
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(body), 0)
    need(body + central + end == data and len(data) <= 32 << 20 and len(files) <= 1000, "not evidence in its one form")
    for (folder, _, name), part in ((f"/{name}".rpartition("/"), part) for name, part in files.items()):
        folders.setdefault(folder, {})[name] = part
    own, schemas = folders.pop(""), folders.pop("/directory", {})
    schema, note, path = (own.pop(f, None) for f in ("schema.avsc", "earlier.checkpoint", "earlier.consistency"))
    event = Entry(own, schema or b"", policy)
    shown = [(Entry(part, schemas[part["leaf"][62:94].hex() + ".avsc"], policy), at) for at, part in folders.items()]
    directory = sorted((entry for entry, _ in shown), key=lambda entry: entry.index)
    need(all(f"/directory/{e.index}" == at and e.note == event.note for e, at in shown), "an entry stands elsewhere")
    need({entry.fp.hex() + ".avsc" for entry in directory} == schemas.keys(), "a schema is of no use")
    known, count = dict[Any, Any](), sum(entry.index < max(event.index, 1) for entry in directory)
    for entry in directory[:count]:
        entry.take(known)
    issuer, key = known.get(event.issuer), known.get(event.key_id, {})
    need(issuer and issuer["step"] != "suspended", "the issuer is not shown to have been admitted")
    ours = key and (key["org"], key["use"]) == (event.issuer, "signing") and event.time in key["valid"]
    need(ours and "compromised_since" not in key, "no key of the issuer is shown that was valid then")
    need(signed_by(key["public_key"], *event.signed), "the signature on the event does not hold")
    event.check_audience(known)
    for entry in directory[count:]:
        entry.take(known)
    lost = known[event.key_id].get("compromised_since")
    need(lost is None or lost > event.time, "others may have had the key before the event: it was revoked later")
    need(event.time >= 0 and all(event.time <= (at + 60) * 1_000_000 for at in event.times), "it is post-dated")
    bounds = f"before the checkpoint of {event.size} entries"
    if note is not None or path is not None:
        origin, size, root, times = policy.judge(note or b"")
        *lines, end = (path or b"").decode().split("\n")
        need(not end and origin == event.origin and 0 < size <= event.index, "the earlier checkpoint is not earlier")
        shift = (size & -size).bit_length() - 1
        first, *nodes = [root][bool(size & (size - 1)) :] + [b64(line, 32) for line in lines]
        roots = climb((size - 1) >> shift, (event.size - 1) >> shift, first, nodes)
        need(roots == (event.root, root), "the log was changed since the earlier checkpoint")
        need(event.time >= (max(times, default=60) - 60) * 1_000_000, "it is back-dated")
        bounds = f"after the checkpoint of {size} entries, {bounds}"
    allowed = ", ".join(one["org"] for one in event.decision if one["allow"]) or "the directory's readers"
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.time)).isoformat()
    what = f"{event.type} {event.header['step']} of {event.issuer}, for {allowed}"
    return f"entry {event.index} of {event.origin}: {what}; recorded {when}, {bounds}"


if __name__ == "__main__":
    believed, wrong = None, 0 if len(sys.argv) > 2 else sys.exit(print(__doc__, file=sys.stderr) or 2)
    for file in sys.argv[1:]:
        try:
            data = Path(file).read_bytes()
            if believed:
                print(f"{file}: holds: {verify(data, believed)}")
            believed = believed or Policy(data)
        except Exception as error:  # noqa: BLE001 - whatever a file does to us, it does not hold
            unread = not believed or isinstance(error, OSError)
            what = "cannot be read" if believed else "is not a policy that can be read"
            wrong = 3 if not unread else sys.exit(print(f"{file} {what}", file=sys.stderr) or 2)
            print(f"{file}: FALSE: {error.args[0] if type(error) is LookupError else 'the file is malformed'}")
    sys.exit(wrong)
