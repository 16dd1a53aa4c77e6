"""Every format that goes in or out: its name, what it is, and the module that reads or writes it.

A new format is one module and one line here. A module that reads has ``drafts``, as
:class:`bus.adapters.drafts.Reader` says; one that writes has ``write``, as :class:`bus.adapters.documents.Writer`
says, and ``ENVELOPE`` if its documents can stand together in one file. Modules are imported when they are used, so
that listing the formats costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bus.adapters.documents import Envelope, Writer
    from bus.adapters.drafts import Reader


class Format(NamedTuple):
    """One format.

    Attributes:
        name: what ``--format`` takes, and the name of its page in ``docs/adapters``.
        title: what it is, in words, for ``--help``.
        module: where its ``drafts`` and ``write`` are.
        reads: whether it comes in.
        writes: the types of events that go out in it; none if it does not go out.
        joins: the types of events that what it writes may be about, and that it wants to see.
        together: several files make one input; else each file is an input of its own.
        names_audience: its files may say themselves who hears an event; else somebody must be named.
        joint: its documents can stand together in one file.
        assumed: it was built without the format's own documentation.
    """

    name: str
    title: str
    module: str
    reads: bool = False
    writes: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    together: bool = False
    names_audience: bool = False
    joint: bool = False
    assumed: bool = False


_ALL = (
    Format("bus", "JSON of the bus: one object, a list, or one object a line", "bus.adapters.bus_json",
           reads=True, names_audience=True),
    Format("ncmec-hashes", "pages of NCMEC's hash-sharing API, version 2 (XML)", "bus.adapters.ncmec", reads=True),
    Format("vics", "VICS hash sets and cases, 1.x and 2.x in; out as 2.0, profile Default (JSON)", "bus.adapters.vics",
           reads=True, writes=("HashListing",), joint=True, assumed=True),
    Format("vics-us", "VICS 2.0, profile US (JSON)", "bus.adapters.vics_us",
           writes=("HashListing",), joint=True, assumed=True),
    Format("vics-1.2", "VICS 1.2, as NIST's sets are (JSON)", "bus.adapters.vics_1_2",
           writes=("HashListing",), joint=True, assumed=True),
    Format("caid", "the UK's CAID in the layout of VICS: its own categories (JSON)", "bus.adapters.caid",
           reads=True, writes=("HashListing",), joint=True, assumed=True),
    Format("stopncii", "pages of StopNCII's FetchHashes (JSON)", "bus.adapters.stopncii", reads=True, assumed=True),
    Format("pdq", "PDQ hashes, one a line, or with quality or path (text, CSV)", "bus.adapters.pdq", reads=True),
    Format("vpdq", "vPDQ frames of one video (CSV)", "bus.adapters.vpdq", reads=True),
    Format("cybertip", "a CyberTipline report with its fileDetails (XML)", "bus.adapters.cybertip",
           reads=True, writes=("Report",), together=True),
    Format("iccam", "reports, assessments and actions of hotlines, after INHOPE's ICCAM (JSON)", "bus.adapters.iccam",
           reads=True, writes=("Report", "Assessment"), joins=("Report",), joint=True, assumed=True),
    Format("dsa-sor", "statements of reasons for the EU's DSA Transparency Database (JSON)", "bus.adapters.dsa_sor",
           writes=("TakedownAction",), joins=("TakedownNotice",)),
    Format("xarf", "XARF v4 reports of the types csam and csem (JSON)", "bus.adapters.xarf",
           reads=True, writes=("Report", "Assessment"), joins=("Report",), joint=True),
)  # fmt: skip

FORMATS = {form.name: form for form in _ALL}
READING = tuple(form.name for form in _ALL if form.reads)
WRITING = tuple(form.name for form in _ALL if form.writes)


def reader(name: str) -> Reader:
    """What reads a format of :data:`READING`."""
    return import_module(FORMATS[name].module).drafts


def writer(name: str) -> Writer:
    """What writes a format of :data:`WRITING`."""
    return import_module(FORMATS[name].module).write


def envelope(name: str) -> Envelope | None:
    """What holds the documents of a format together in one file; None if nothing does."""
    form = FORMATS[name]
    return import_module(form.module).ENVELOPE if form.joint else None


def in_words(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each format's name and what it is, for ``--help``."""
    return [(name, _title(FORMATS[name])) for name in names]


def _title(form: Format) -> str:
    """A format's title, with what a reader of ``--help`` must know of it."""
    marks = ["assumed shape"] * form.assumed + ["several files make one event"] * form.together
    return f"{form.title}; {', '.join(marks)}" if marks else form.title
