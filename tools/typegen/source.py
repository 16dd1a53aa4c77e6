"""Reads the readable schema sources and writes them as one fully inlined Avro schema each.

A source is a TOML file `schemas/events/<Type>.toml`. Fields are `name = [type, doc, rules?]`; a type is written

    Base        a scalar of common/scalars.toml, or a record of common/records.toml or of the file's own [records.*]
    Code(list)  a code of the open list schemas/codes/list.csv
    Std(list)   the same, in the standard's own spelling
    Text(max)   prose of at most max bytes
    Int(a..b)   a number; Bytes(a..b) bytes of such a length
    Base?       nullable
    Base[a..b]  an array of a to b items; [a..b sorted] ascending, no item twice
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from pathlib import Path
from typing import Any

NAMESPACE = "org.safeguard"
_TYPE = re.compile(r"(\w+)(?:\(([^)]*)\))?(\?)?(?:\[(\d+)\.\.(\d+)( sorted)?\])?")
_RULES = {
    "required_if": "requiredIf",
    "required_with": "requiredWith",
    "required_at": "requiredAt",
    "unless_body": "unlessBody",
    "length_by": "lengthBy",
}


class Sources:
    """The folder of sources, read once."""

    def __init__(self, folder: Path) -> None:
        self._scalars = _toml(folder / "common" / "scalars.toml")
        self._records = _toml(folder / "common" / "records.toml")
        self._events = {p.stem: _toml(p) for p in sorted((folder / "events").glob("*.toml"))}

    def releases(self) -> dict[str, str]:
        """File name of each release that the sources call for -> its text."""
        return {f"{event['id']}-{name}.avsc": self._text(name) for name, event in self._events.items()}

    def _text(self, name: str) -> str:
        return json.dumps(self._schema(name), indent=1, ensure_ascii=False) + "\n"

    def _schema(self, name: str) -> dict[str, Any]:
        source = self._events[name]
        expand = _Expander(self._scalars, self._records | source.get("records", {}))
        top: dict[str, Any] = {"type": "record", "name": name, "namespace": NAMESPACE, "doc": source["doc"]}
        if source.get("kind") == "plain":
            top["kind"] = "plain"
            top["fields"] = expand.fields(source["body"])
            return top
        if source.get("directory"):
            top["directory"] = True
        top["steps"] = source["steps"]
        if source.get("header_required"):
            top["headerRequired"] = source["header_required"]
        body = {"salt": ["Bytes32", "random: hides the digest of a short body"], **source["body"]}
        top["fields"] = [
            {"name": "header", "type": expand.base("Header", None)},
            {"name": "body", "type": expand.record(f"{name}Body", {"doc": f"Body of {name}.", **body})},
            {"name": "sealed", "type": ["null", self._sealed(name, source, expand)], "default": None},
        ]
        return top

    def _sealed(self, name: str, source: dict[str, Any], expand: _Expander) -> Any:
        sealed = expand.base("Sealed", None)
        if "sealed" in source:
            fresh = _Expander(self._scalars, self._records | source.get("records", {}))
            doc = f"What is sealed in {name}."
            plain = fresh.record(f"{name}Sealed", {"doc": doc, **source["sealed"]})
            plain = {"type": "record", "name": plain["name"], "namespace": NAMESPACE, **plain}
            next(f for f in sealed["fields"] if f["name"] == "ct")["plaintext"] = plain
        return sealed


class _Expander:
    """Writes out named types at their first use, and by name from then on, as Avro wants."""

    def __init__(self, scalars: dict[str, Any], records: dict[str, Any]) -> None:
        self._scalars = scalars
        self._records = records
        self._seen: set[str] = set()

    def record(self, name: str, source: dict[str, Any]) -> dict[str, Any]:
        self._seen.add(name)
        out: dict[str, Any] = {"type": "record", "name": name, "doc": source["doc"]}
        if "one_of" in source:
            out["oneOf"] = source["one_of"]
        out["fields"] = self.fields({k: v for k, v in source.items() if k not in {"doc", "one_of"}})
        return out

    def fields(self, source: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._field(name, *spec) for name, spec in source.items()]

    def _field(self, name: str, type_: str, doc: str, rules: dict[str, Any] | None = None) -> dict[str, Any]:
        rules = dict(rules or {})
        avro = self._type(type_)
        if "sorted_by" in rules:
            avro["sortedBy"] = rules.pop("sorted_by")
        out: dict[str, Any] = {"name": name, "type": avro, "doc": doc}
        if isinstance(avro, list):
            out["default"] = None
        out |= {_RULES[k]: v for k, v in rules.items()}
        return out

    def _type(self, text: str) -> Any:
        found = _TYPE.fullmatch(text)
        if found is None:
            raise SystemExit(f"cannot read the type {text!r}")
        name, argument, nullable, low, high, is_sorted = found.groups()
        inner = self.base(name, argument)
        if nullable:
            return ["null", inner]
        if high is None:
            return inner
        out = {"type": "array", "items": inner, "minItems": int(low), "maxItems": int(high)}
        return out | {"sorted": True} if is_sorted else out

    def base(self, name: str, argument: str | None) -> Any:
        match name, argument:
            case "Code" | "Std", str():
                pattern = name.lower()
                return {"type": "string", "min": 1, "max": 32, "pattern": pattern, "codes": argument}
            case "Text", str():
                return {"type": "string", "min": 1, "max": int(argument), "pattern": "text"}
            case "Int" | "Bytes", str():
                low, high = (int(x) for x in argument.split(".."))
                return {"type": name.lower(), "min": low, "max": high}
            case _:
                return self._named(name)

    def _named(self, name: str) -> Any:
        if name in self._seen:
            return name
        if name in self._records:
            return self.record(name, self._records[name])
        avro = copy.deepcopy(self._scalars[name]["avro"])
        if avro["type"] == "fixed":
            self._seen.add(name)
        return avro if len(avro) > 1 else avro["type"]


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
