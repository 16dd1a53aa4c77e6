"""CyberTipline reports as ``Report`` events, and back. What maps to what: ``docs/adapters/cybertip.md``.

A report with files that NCMEC has numbered is ``filed``; one without is ``opened``. The journal keeps every version of
a numbered report that was published to an audience: a version that is known is published again under its own id, and
another content under a known number is ``supplemented``, about the first. A report without a number is known by its
content.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from bus.adapters.cybertip_in import Content, check_roots, read_content
from bus.adapters.cybertip_out import files_xml, incident_type, report_xml
from bus.adapters.documents import Document, Event, Subjects, Unsaid, Written
from bus.adapters.drafts import Context, Draft, Input
from bus.adapters.losses import lost
from bus.adapters.versions import digest_of, version
from bus.adapters.xmltree import read_tree
from bus.events.ids import dashed

FORMAT = "cybertip"
MAPPING = 1
"""Counted up when documents map to other events than before: it makes every report a new version."""


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft the one event of a report and its files.

    Raises:
        InvalidFile: a document cannot be read, or they are not one report with its files.
    """
    roots = [(read_tree(given.stream, given.name), given.name) for given in inputs]
    (report, file), files = check_roots(roots)
    content = read_content(report, file, files, context.organisation, context.tell)
    yield _draft(content, file, context)


def _draft(content: Content, file: str, context: Context) -> Draft:
    """The event under the id of the same version, if it was published before."""
    digest = digest_of(MAPPING, content.number, content.priority, content.body, content.sealed)
    found = version(context, FORMAT, f"number/{content.number}" if content.number else digest, digest)
    header: dict[str, Any] = {
        "event_id": dashed(found.event_id),
        "step": "filed" if content.number else "opened",
        "purpose": "investigation",
    }
    if content.priority:
        header["priority"] = content.priority
    if found.standing:
        header |= {"step": "supplemented", "about": dashed(found.standing[0].event_id)}
    event = {"type": "Report", "header": header, "body": content.body, "sealed": content.sealed}
    return Draft("line 1", event, found.item, file)


def write(event: Event, subject: Subjects) -> Written | Unsaid:  # noqa: ARG001 - a report stands for itself
    """A report as documents: ``file-N.xml`` for each of its files, and ``report.xml``."""
    if incident_type(event["body"]) is None:
        return Unsaid("it names no type of incident that the CyberTipline has")
    if not (event.get("sealed") or {}).get("incident_at"):
        return Unsaid("it does not say when it happened, which the CyberTipline must know")
    files = files_xml(event)
    report = report_xml(event, with_files=bool(files))
    again = _read_again(report, files, (event["body"].get("viewed") or {}).get("stated_by", ""))
    missing = lost(event, {"body": again.body, "sealed": again.sealed})
    documents = [Document(f"file-{number}.xml", text) for number, text in enumerate(files, 1)]
    return Written((*documents, Document("report.xml", report)), missing)


def _read_again(report: bytes, files: Sequence[bytes], organisation: str) -> Content:
    """What the documents say to who reads them."""
    root, *others = [(read_tree(io.BytesIO(text), "again"), "again") for text in (report, *files)]
    return read_content(root[0], root[1], others, organisation, lambda _: None)
