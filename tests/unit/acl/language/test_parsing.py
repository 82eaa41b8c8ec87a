"""Parsed once by text, with the functions of the latest call."""

from __future__ import annotations

from dataclasses import dataclass

from acl.language.casbin_adapter import remembered


@dataclass(slots=True)
class Parsed:
    text: str
    functions: object


def test_a_text_is_parsed_once_and_calls_the_latest_functions() -> None:
    seen: list[str] = []

    def parse(text: str, functions: object) -> Parsed:
        seen.append(text)
        return Parsed(text, functions)

    parsed = remembered(parse)
    first = parsed("a", 1)

    assert parsed("a", 2) is first
    assert first.functions == 2
    assert parsed("b", 3).text == "b"
    assert seen == ["a", "b"]
