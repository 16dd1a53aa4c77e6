"""Take the test data of other people's transparency logs from their Go modules: data only, with its licence.

    python tools/take_vectors.py [FOLDER]

Needs ``go`` and a module proxy. What it writes is committed under tests/vectors/others, so that tests need neither;
a deep test runs it again and compares.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

MODULES = {
    "merkle": "github.com/transparency-dev/merkle@v0.0.2",
    "mod": "golang.org/x/mod@v0.42.0",
    "torchwood": "filippo.io/torchwood@v0.9.0",
    "ed25519vectors": "filippo.io/mostly-harmless/ed25519vectors@v0.0.0-20210322192420-30a2d7243a94",
}
HEX_CALL = re.compile(r'\bd?h\w?\("([0-9a-f]*)"')


def download(cache: Path) -> dict[str, Path]:
    """Where each module is, once it is here; OSError if it cannot be had."""
    environ = {**os.environ, "GOMODCACHE": str(cache), "GOFLAGS": "-mod=mod -modcacherw", "GOWORK": "off"}
    found: dict[str, Path] = {}
    for name, module in MODULES.items():
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            env=environ, capture_output=True, check=False, timeout=120, cwd=cache,
        )  # fmt: skip
        answer = json.loads(done.stdout or b"{}")
        if "Dir" not in answer:
            raise OSError(f"{module}: {answer.get('Error', 'not to be had')}")
        found[name] = Path(answer["Dir"])
    return found


def merkle(folder: Path) -> dict[str, object]:
    constants = (folder / "testonly/constants.go").read_text(encoding="utf-8")
    tests = (folder / "proof/verify_test.go").read_text(encoding="utf-8")
    return {
        "leaves": HEX_CALL.findall(body_of(constants, "func LeafInputs")),
        "roots": HEX_CALL.findall(body_of(constants, "func EmptyRootHash") + body_of(constants, "func RootHashes")),
        "inclusion": [
            {"index": first - 1, "size": second, "path": path}
            for first, second, path in proofs(tests, "inclusionProofs = ")
            if first
        ],
        "consistency": [
            {"old": first, "new": second, "path": path} for first, second, path in proofs(tests, "consistencyProofs = ")
        ],
    }


def body_of(source: str, start: str) -> str:
    """A top-level Go function's text."""
    at = source.index(start)
    return source[at : source.index("\n}", at)]


def proofs(source: str, start: str) -> list[tuple[int, int, list[str]]]:
    """The rows of a Go table of proofs: two numbers and a path."""
    at = source.index(start)
    table = source[at : source.index("\n\t}\n", at)]
    rows = re.split(r"\n\t\t\{(?=\d)", table)[1:]
    found: list[tuple[int, int, list[str]]] = []
    for row in rows:
        first, second = re.findall(r"\d+", row)[:2]
        found.append((int(first), int(second), HEX_CALL.findall(row)))
    return found


def mod(folder: Path) -> dict[str, object]:
    notes = (folder / "sumdb/note/note_test.go").read_text(encoding="utf-8")
    strings = dict(re.findall(r'(\w+) :?= "((?:[^"\\]|\\.)*)"\n', notes))
    argon = folder / "sumdb/tlog/testdata/argon2020"
    loaded = {name: json.loads((argon / f"{name}.json").read_text(encoding="utf-8")) for name in ("sth", "proof")}
    loaded["consistency"] = json.loads((argon / "consistency.json").read_text(encoding="utf-8"))
    entries = json.loads((argon / "entries.json").read_text(encoding="utf-8"))
    old = re.search(r'ParseHash\("([^"]+)"\)', (folder / "sumdb/tlog/ct_test.go").read_text(encoding="utf-8"))
    assert old is not None
    return {
        "note": {
            "text": re.search(r"text := `([^`]*)`", notes)[1],  # pyright: ignore[reportOptionalSubscript]
            "skey": strings["skey"],
            "keys": [strings["peterKey"], strings["enochKey"]],
            "lines": [strings["peterSig"].replace("\\n", "\n"), strings["enochSig"].replace("\\n", "\n")],
            "bad_keys": re.findall(r'badKey\("([^"]+)"\)', notes),
        },
        "argon2020": {
            "size": loaded["sth"]["tree_size"],
            "root": loaded["sth"]["sha256_root_hash"],
            "leaf_hash": sha256(b"\x00" + base64.b64decode(entries["entries"][0]["leaf_input"])).hexdigest(),
            "index": 10000,
            "path": loaded["proof"]["audit_path"],
            "old_size": 3654490,
            "old_root": old[1],
            "consistency": loaded["consistency"]["consistency"],
        },
    }


def torchwood(folder: Path) -> dict[str, object]:
    script = (folder / "cmd/litewitness/testdata/litewitness.txt").read_text(encoding="utf-8")
    key = re.search(r"add-sigsum-log -key=([0-9a-f]{64})", script)
    assert key is not None
    calls = re.findall(
        r"POST \S+/add-checkpoint\n```\n(.*?)```\nHTTP (\d+)\n\[Asserts\]\nbody (?:==|contains) \"([^\"]*)\"",
        script,
        re.DOTALL,
    )
    return {
        "log_key": key[1],
        "calls": [
            {"body": body, "status": int(status), "answer": answer.replace("\\n", "\n")}
            for body, status, answer in calls
        ],
    }


TAKEN = {"merkle": merkle, "mod": mod, "torchwood": torchwood}


def write(modules: Mapping[str, Path], folder: Path) -> None:
    for name, take in TAKEN.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = json.dumps(take(modules[name]), indent=1, ensure_ascii=False)
        (folder / name / "vectors.json").write_text(text + "\n", encoding="utf-8")
        (folder / name / "LICENSE").write_bytes((modules[name] / "LICENSE").read_bytes())


def edge_vectors(folder: Path) -> list[tuple[bytes, bytes, bytes, list[str]]]:
    """Key, message, signature and flags of the module's own edge cases of Ed25519."""
    rows = json.loads((folder / "ed25519vectors.json").read_text(encoding="utf-8"))
    return [
        (bytes.fromhex(row["A"]), row["M"].encode(), bytes.fromhex(row["R"] + row["S"]), row["Flags"] or [])
        for row in rows
    ]


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as cache:
        write(download(Path(cache)), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests" / "vectors" / "others")
