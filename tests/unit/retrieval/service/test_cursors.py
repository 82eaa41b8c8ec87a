from __future__ import annotations

import base64

import pytest

from acl.subject import Subject
from retrieval.service.cursors import CursorError, Cursors

ADA = Subject(id="user:ada", tenant="acme")
CURSORS = Cursors(b"secret" * 8)
KEY = "file:acme/board/minutes of a meeting and nobody knows.pdf"


def test_a_cursor_comes_back_and_says_nothing() -> None:
    cursor = CURSORS.seal(KEY, ADA, "documents")
    assert CURSORS.open(cursor, ADA, "documents") == KEY
    assert b"board" not in base64.urlsafe_b64decode(cursor)
    assert len(cursor) == len(CURSORS.seal("short", ADA, "documents"))
    assert cursor != CURSORS.seal(KEY, ADA, "documents")


def test_a_cursor_is_bound_to_subject_tenant_actors_list_and_key() -> None:
    cursor = CURSORS.seal(KEY, ADA, "documents")
    acted = Subject(id="user:ada", tenant="acme", actors=(Subject(id="agent:a", tenant="acme"),))
    for subject in (
        Subject(id="user:bob", tenant="acme"),
        Subject(id="user:ada", tenant="globex"),
        acted,
    ):
        with pytest.raises(CursorError):
            CURSORS.open(cursor, subject, "documents")
    with pytest.raises(CursorError):
        CURSORS.open(cursor, ADA, "quarantine")
    with pytest.raises(CursorError):
        Cursors(b"another" * 8).open(cursor, ADA, "documents")


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "!" * 40, "A" * 5000, "ü" * 100])
def test_what_is_no_cursor(cursor: str) -> None:
    with pytest.raises(CursorError):
        CURSORS.open(cursor, ADA, "documents")


def test_every_altered_byte_is_noticed() -> None:
    raw = bytearray(base64.urlsafe_b64decode(CURSORS.seal("k", ADA, "documents")))
    for place in range(len(raw)):
        altered = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        with pytest.raises(CursorError):
            CURSORS.open(base64.urlsafe_b64encode(altered).decode(), ADA, "documents")
