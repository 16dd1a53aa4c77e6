"""The registry of schemas."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bus.errors import UsageError
from bus.events import registry
from bus.paths import ops_dir, schemas_dir


def test_a_schema_is_found_by_id_name_and_fingerprint() -> None:
    """Three names for one thing; an id of the future is None."""
    for info in registry.all_schemas():
        assert registry.by_id(info.id) is info
        assert registry.by_fingerprint(info.fingerprint) is info
        assert registry.by_name(info.name) is info
        assert registry.avro_schema(info)["name"] == info.name
    assert registry.by_id(999_999) is None
    assert registry.by_fingerprint(bytes(32)) is None


def test_ids_are_those_of_the_contract() -> None:
    """A number stands for its type for ever."""
    assert {info.id: info.name for info in registry.all_schemas()} == {
        1: "Receipt",
        2: "Decision",
        10: "LogOpened",
        11: "OrganisationAdmitted",
        12: "KeyRegistered",
        20: "HashHit",
        21: "HashListing",
        22: "Assessment",
        23: "Report",
        24: "TakedownNotice",
        25: "TakedownAction",
        26: "VictimIdentification",
        27: "Acknowledgement",
        30: "HashListSnapshot",
        31: "Recall",
        32: "Preservation",
        33: "Deconfliction",
        34: "Commitment",
        35: "Advisory",
        36: "Survey",
        37: "Exposure",
        38: "Appeal",
        39: "Consent",
        40: "LegalBasis",
        41: "Mandate",
        42: "ToolRegistered",
        43: "SealingKey",
        44: "OrganisationSuspended",
        45: "KeyRevoked",
        46: "AgreementConcluded",
        47: "AgreementEnded",
        48: "PolicyAdopted",
        49: "AccessRecorded",
        50: "Overdue",
        51: "Erasure",
        52: "Gap",
        53: "LogContinued",
    }


def test_a_wrong_name_gets_the_nearest() -> None:
    """Case and slips are forgiven with a hint, not silently."""
    with pytest.raises(UsageError) as caught:
        registry.by_name("hashit")
    assert "HashHit" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        registry.by_name("zzzzzz")
    assert "Acknowledgement" in caught.value.hint


def test_who_only_looks_up_a_schema_does_not_pay_for_decoders() -> None:
    """The command's help stays fast: the registry imports neither fastavro nor the decoders."""
    code = (
        "import sys, bus.events.registry; print([m for m in ('fastavro', 'bus.events.decoders') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_folders_of_the_checkout_are_found() -> None:
    """From a checkout, the checkout's own files are used."""
    assert (schemas_dir() / "released" / "FINGERPRINTS").is_file()
    assert ops_dir().name == "ops"
