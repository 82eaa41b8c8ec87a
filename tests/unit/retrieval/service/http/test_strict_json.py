from __future__ import annotations

import pytest

from retrieval.service.http.bodies import MAX_DEPTH, StrictJsonError, parse_json


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff", "is not UTF-8"),
        (b"{", "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"1" * 5000, "is not valid JSON"),
        (b'{"a": 1, "a": 1}', "names a key twice"),
        (b'{"b": {"a": 1, "\\u0061": 2}}', "names a key twice"),
        (b"NaN", "a number that JSON does not have"),
        (b"[-Infinity]", "a number that JSON does not have"),
        (b"1e400", "a number that is out of range"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested more than 32 deep"),
        (b'{"a":' * 100_000, "nested more than 32 deep"),
    ],
)
def test_what_is_not_json_of_one_meaning(raw: bytes, message: str) -> None:
    with pytest.raises(StrictJsonError, match=message):
        parse_json(raw)


def test_brackets_in_texts_are_texts() -> None:
    text = "[" * 100 + '\\" {'
    assert parse_json(f'["{text}", 1.5, null]'.encode()) == ["[" * 100 + '" {', 1.5, None]
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    parse_json(deepest)
