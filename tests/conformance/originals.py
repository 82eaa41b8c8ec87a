"""The assertions of other engines' examples, read where they lie; nothing of them is kept here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.translation import Assertion

SHARED = Path(__file__).parents[3] / "shared" / "conformance"
STORES = SHARED / "openfga_stores" / "stores"
CEDAR = SHARED / "cedar"


def of_store(path: Path) -> Iterator[Assertion]:
    """Yield the assertions of a store's file."""
    for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
        facts = tuple((one["relation"], one["object"]) for one in test.get("tuples", []))
        name = f"{path.name}: {test.get('name', '')}"
        for found in (*_checks(test), *_resources(test), *_subjects(test)):
            yield Assertion(name=name, facts=facts, **found)


def _checks(test: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for check in test.get("check", []):
        for relation, expected in check["assertions"].items():
            yield {
                "subject": check["user"],
                "action": relation,
                "resource": check["object"],
                "context": check.get("context", {}),
                "expected": expected,
            }


def _resources(test: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for asked in test.get("list_objects", []):
        for relation, expected in asked["assertions"].items():
            yield {
                "subject": asked["user"],
                "action": relation,
                "resource": asked["type"],
                "context": asked.get("context", {}),
                "expected": frozenset(expected),
            }


def _subjects(test: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for asked in test.get("list_users", []):
        (kind,) = asked["user_filter"]
        name = f"{kind['type']}#{kind['relation']}" if "relation" in kind else kind["type"]
        for relation, expected in asked["assertions"].items():
            yield {
                "subject": name,
                "action": relation,
                "resource": asked["object"],
                "context": asked.get("context", {}),
                "expected": frozenset(expected["users"]),
            }


def of_example(folder: Path) -> Iterator[Assertion]:
    """Yield the requests that an example allows and denies."""
    for verdict in ("ALLOW", "DENY"):
        for path in sorted((folder / verdict).glob("*.json")):
            asked = json.loads(path.read_text(encoding="utf-8"))
            yield Assertion(
                name=path.stem,
                subject=asked["principal"],
                action=asked["action"],
                resource=asked["resource"],
                context=asked["context"],
                expected=verdict == "ALLOW",
            )
