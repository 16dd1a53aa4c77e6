"""The library `threatexchange`, where it is installed: two of its packages need a C++ compiler (docs/adr/0022)."""

from __future__ import annotations

import warnings

import pytest


def require_threatexchange() -> None:
    """Skip what follows, and say why, if the library is not there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(
            "threatexchange.signal_type.pdq.signal",
            reason="threatexchange is not installed: it needs a C++ compiler (make exchange)",
            exc_type=ImportError,
        )
