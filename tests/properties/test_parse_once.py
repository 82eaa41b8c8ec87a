"""An oracle that parses each text once decides what Casbin decides as it comes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from acl.labels import Label
from acl.language.casbin_adapter import Oracle, parse_model
from tests.properties.worlds import AT, label, resource_columns, world

WORLDS = 120


def answered(oracle: Oracle, request: Mapping[str, Any], one: Label) -> bool | str:
    columns = {**request, **resource_columns(one)}
    try:
        return oracle.enforce(*(columns[name] for name in ("sub", "dom", "obj", "item", "act")))
    except Exception as error:  # noqa: BLE001 - what Casbin raises must be the same too
        return f"{type(error).__name__}: {error}"


def test_parsing_once_changes_no_decision() -> None:
    rng = random.Random(20_260_601)
    labels = [label(rng) for _ in range(6)]
    said: list[bool | str] = []
    for _ in range(WORLDS):
        made = world(rng)
        model = parse_model(made.model)
        plain = Oracle(model, made.rows, made.matching, at=AT)
        once = Oracle(model, made.rows, made.matching, at=AT, parse_once=True)
        for request in made.requests:
            for one in labels:
                said.append(answered(plain, request, one))
                assert answered(once, request, one) == said[-1], made
    assert 0.1 < said.count(True) / len(said) < 0.9
    assert any(isinstance(one, str) for one in said)
