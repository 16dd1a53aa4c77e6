"""The files of a CyberTipline report: ``fileDetails`` documents, one for each file, made after NCMEC numbered them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bus.adapters import cybertip_codes as codes
from bus.adapters.picking import Picker, Piece
from bus.adapters.xmltree import Node

_HEX = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_HASHES = 64
_VIEWED = {"by_provider": "fileViewedByEsp", "exif": "exifViewedByEsp", "public": "publiclyAvailable"}


class Files(Struct, frozen=True):
    """What the files of a report say, in the JSON form of the event."""

    number: str | None
    count: int
    refs: list[dict[str, Any]]
    locators: list[dict[str, Any]]
    hashes: list[dict[str, Any]]
    viewed: dict[str, Any] | None
    generated: bool
    rest: list[Piece]


def read_files(files: Sequence[tuple[Node, str]], organisation: str, locators: int, refs: int) -> Files:
    """Read the files of one report.

    Args:
        files: the ``fileDetails`` elements, each with its file.
        organisation: who states what was viewed.
        locators: how many more of them there is room for.
        refs: how many files' ids there is room for.

    Raises:
        InvalidFile: a value breaks the format, two are of different reports, or one file stands twice.
    """
    pickers = [Picker(file) for _, file in files]
    nodes = [node for node, _ in files]
    number = _number(nodes, pickers)
    ids = _ids(nodes, pickers)
    for node, picker in zip(nodes[:refs], pickers, strict=False):
        picker.text(node, "fileId", 128)
    places: list[dict[str, Any]] = []
    hashes: list[dict[str, Any]] = []
    for node, picker in zip(nodes, pickers, strict=True):
        hashes += _hashes(node, picker, _HASHES - len(hashes))
        place = picker.text(node, "locationOfFile", 2083) if len(places) < locators else None
        places += [] if place is None else [{"kind": "url", "value": place}]
    numbered = [] if number is None else [{"system": codes.SYSTEM, "value": number}]
    viewed = _viewed(nodes, pickers, organisation)
    generated = _generated(nodes, pickers)
    return Files(
        number=number,
        count=len(files),
        refs=numbered + [{"system": codes.FILE_SYSTEM, "value": one} for one in ids[:refs]],
        locators=places,
        hashes=hashes,
        viewed=viewed,
        generated=generated,
        rest=_rest(nodes, pickers),
    )


def _number(nodes: Sequence[Node], pickers: Sequence[Picker]) -> str | None:
    """NCMEC's number of the report, which all files have."""
    number = None
    for node, picker in zip(nodes, pickers, strict=True):
        found = picker.text(node, "reportId", 128)
        if found is None:
            raise picker.wrong(node, "fileDetails must have a reportId")
        if number not in {None, found}:
            raise picker.wrong(node, "is a file of another report")
        number = found
    return number


def _ids(nodes: Sequence[Node], pickers: Sequence[Picker]) -> list[str]:
    """NCMEC's ids of the files."""
    found: list[str] = []
    for node, picker in zip(nodes, pickers, strict=True):
        child = picker.one(node, "fileId")
        one = "" if child is None else picker.leaf(child)
        if not 0 < len(one) <= 128:
            raise picker.wrong(node, "fileDetails must have a fileId of at most 128 characters")
        if one in found:
            raise picker.wrong(node, "a file of this fileId stands above")
        found.append(one)
    return found


def _hashes(node: Node, picker: Picker, room: int) -> list[dict[str, Any]]:
    """The fingerprints of one file that can travel as such; the others stay sentences."""
    found: list[dict[str, Any]] = []
    for child in node.all("originalFileHash"):
        algorithm = codes.hash_algorithm(child.attributes.get("hashType", ""))
        value = picker.leaf(child)
        length = codes.HASH_LENGTHS.get(algorithm)
        if length is None or len(value) != 2 * length or not _HEX.fullmatch(value) or len(found) >= room:
            continue
        picker.use(child)
        picker.attribute(child, "hashType")
        found.append({"algorithm": algorithm, "value": value.lower()})
    return found


def _viewed(nodes: Sequence[Node], pickers: Sequence[Picker], organisation: str) -> dict[str, Any] | None:
    """Who saw the files, where all files say the same. Where they differ, it is a sentence for each."""
    found: dict[str, Any] = {}
    for field, name in _VIEWED.items():
        said = [Picker(picker.file).boolean(node, name) for node, picker in zip(nodes, pickers, strict=True)]
        if said and said[0] is not None and said.count(said[0]) == len(said):
            found[field] = said[0]
            for node, picker in zip(nodes, pickers, strict=True):
                picker.boolean(node, name)
    return {**found, "stated_by": organisation} if found else None


def _generated(nodes: Sequence[Node], pickers: Sequence[Picker]) -> bool:
    """Whether every file is said to be generated. Where only some are, it is a sentence for each."""
    groups = [picker.one(node, "fileAnnotations") for node, picker in zip(nodes, pickers, strict=True)]
    said = [group is not None and Picker("").boolean(group, "generativeAi") is True for group in groups]
    if not said or not all(said):
        return False
    for group, picker in zip(groups, pickers, strict=True):
        if group is not None:
            picker.boolean(group, "generativeAi")
    return True


def _rest(nodes: Sequence[Node], pickers: Sequence[Picker]) -> list[Piece]:
    """What has no field, each sentence with its file's number where there are several."""
    several = len(nodes) > 1
    return [
        piece._replace(text=f"file {number} {piece.text}" if several else f"file {piece.text}")
        for number, (node, picker) in enumerate(zip(nodes, pickers, strict=True), 1)
        for piece in picker.rest(node)
    ]
