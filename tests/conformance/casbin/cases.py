"""One policy set of a folder, as its manifest describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Expected(StrEnum):
    """What must become of a set."""

    FULL = "F"
    """It compiles."""
    PREPARED = "P"
    """It compiles, with keys that ingestion writes."""
    PART = "PX"
    """Some rows compile, the others are refused by name."""
    CONSTANT = "K"
    """It compiles; the resource is not asked about."""
    REFUSED = "X"
    """It is refused as a whole."""
    UNKNOWN = "?"
    """The manifest does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set.

    Attributes:
        id: its name in the manifest.
        model: the text of `model.conf`.
        policy: the text of `policy.csv`.
        expected: what must become of it.
        matching: role definition to names of Casbin functions, for names and for domains.
        temporal: `plain` or `domain` if links carry a time window, else `""`.
        suffix: which definitions decide, such as `2`.
        extra: more values for a column.
        universe: the values of each column, instead of those derived from the rows.
        recorded: what the manifest recorded of `enforce`, if it did.
    """

    id: str
    model: str
    policy: str
    expected: Expected
    matching: Mapping[str, Mapping[str, str]]
    temporal: str
    suffix: str
    extra: Mapping[str, list[Any]]
    universe: Mapping[str, list[Any]] | None
    recorded: Mapping[str, Any]


def read_folder(folder: Path) -> list[Case]:
    """Return the sets that the folder's manifest lists."""
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    return [_case(folder, entry) for entry in manifest["cases"]]


def _case(folder: Path, entry: Mapping[str, Any]) -> Case:
    place = folder / entry["path"]
    policy = place / "policy.csv"
    return Case(
        id=entry.get("id", entry["path"]),
        model=(place / "model.conf").read_text(encoding="utf-8"),
        policy=policy.read_text(encoding="utf-8") if policy.exists() else "",
        expected=Expected(entry.get("compile", {}).get("class", "?")),
        matching=entry.get("setup") or {},
        temporal=entry.get("temporal") or "",
        suffix=entry.get("context") or "",
        extra=entry.get("extra") or {},
        universe=entry.get("universe"),
        recorded=entry.get("oracle") or {},
    )
