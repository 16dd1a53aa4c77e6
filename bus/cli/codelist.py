"""A list of codes as ``bus schema show`` prints it."""

from __future__ import annotations

from bus.cli.output import print_json, print_rows
from bus.paths import schemas_dir


def names() -> list[str]:
    """The lists there are, sorted."""
    return sorted(path.stem for path in (schemas_dir() / "codes").glob("*.csv"))


def print_list(name: str, output: str) -> None:
    """Print one of :func:`names`: each code with its meaning, and with its source or, for a refusal, its remedy."""
    from bus.events.codes import read_list

    rows = [{"code": row.get("value") or row["code"], **_rest(row)} for row in read_list(name)]
    if output == "json":
        print_json({"list": name, "codes": rows})
    else:
        print_rows(rows, tuple(rows[0]), output, spare=("source",))


def _rest(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key not in {"value", "code"}}
