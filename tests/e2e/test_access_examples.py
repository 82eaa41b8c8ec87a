"""The examples of `docs/authzen.md` do what the page says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.access_service import GATEWAY, AccessService

PAGE = Path(__file__).parents[2] / "docs" / "authzen.md"
EXAMPLE = re.compile(r"^```bash\n(.*?)^```\n+^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


def examples() -> list[tuple[str, str]]:
    return EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


def same(found: Any, expected: Any) -> bool:
    """Say whether two JSON values are the same; `…` stands for any that says something."""
    if expected == ANYTHING:
        return isinstance(found, str | int) and bool(found)
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected) and type(found) is type(expected)


def test_every_example_is_answered_as_the_page_says(access: AccessService) -> None:
    values = {
        "$ROOMS": access.service.server.address,
        "$TOKEN": access.service.keys.token(GATEWAY),
        "$DOCUMENT": access.id("/shelf/one"),
    }
    assert len(examples()) == 7
    for command, expected in examples():
        found = run(access, filled(command, values))
        assert same(found, json.loads(filled(expected, values))), command


def filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def run(access: AccessService, command: str) -> Any:
    """Do what `curl` would."""
    program, silent, address, *rest = shlex.split(command)
    assert (program, silent) == ("curl", "-s")
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    name, _, value = options.get("-H", ": ").partition(": ")
    with access.service.client(**({name: value} if name else {})) as client:
        if "--json" not in options:
            return client.get(address).json()
        body = json.loads(options["--json"])
        return client.post(address, json=body).json()


def test_no_example_stands_without_its_answer() -> None:
    assert PAGE.read_text(encoding="utf-8").count("```bash") == len(examples())
