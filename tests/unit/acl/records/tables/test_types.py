"""The doors of the records: what cannot be a version, a chunk or an event."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.labels import Label
from acl.records import (
    AuditEvent,
    AuditKind,
    DocumentVersion,
    NewChunk,
    NewVersion,
    Outcome,
    UnstorableError,
)
from acl.records.tables.types import NO_ID, canonical_id

DOCUMENT = str(uuid.uuid5(uuid.NAMESPACE_URL, "a"))
TEXT = {"tenant", "uri", "title", "media_type", "content_digest"}


def version(**changes: Any) -> NewVersion:
    values: dict[str, Any] = {
        "document_id": DOCUMENT,
        "label": Label({"tenant": "acme"}),
        "chunks": (NewChunk(0, "text"),),
        **dict.fromkeys(TEXT, "acme"),
    }
    return NewVersion(**{**values, **changes})


@pytest.mark.parametrize("text", ["", "nothing", DOCUMENT.upper(), DOCUMENT.replace("-", "")])
def test_what_is_no_id_becomes_one_that_nothing_has(text: str) -> None:
    assert canonical_id(DOCUMENT) == DOCUMENT
    assert canonical_id(text) == NO_ID


def test_a_version_is_a_value() -> None:
    assert version() == version()
    assert version(label=Label({"level": 1})).metadata == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({name: ""}, f"`{name}` is empty") for name in sorted(TEXT)),
        ({"document_id": "nothing"}, "`nothing` is not a UUID in canonical form"),
        ({"document_id": DOCUMENT.upper()}, "is not a UUID in canonical form"),
        ({"chunks": ()}, "a version without text is not stored"),
        ({"chunks": (NewChunk(3, "a"), NewChunk(3, "b"))}, "not in the order of the text"),
        ({"label": Label({"tenant": "zeta"})}, "the label names another tenant"),
        ({"uri": "ä" * 601}, "`uri` is longer than 1200 bytes"),
    ],
)
def test_an_impossible_version_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnstorableError, match=reason):
        version(**changes)


def test_a_chunk_ends_where_its_text_ends() -> None:
    assert NewChunk(7, "😀b").end == 9
    with pytest.raises(UnstorableError, match="starts at `-1`"):
        NewChunk(-1, "a")
    with pytest.raises(UnstorableError, match="`text` is empty"):
        NewChunk(0, "")


@given(st.integers(1, 2**31), st.integers(0, 2**31), st.integers(1, 2**31), st.integers(0, 2**31))
def test_chunk_ids_follow_from_the_place_alone(a: int, b: int, c: int, d: int) -> None:
    first = DocumentVersion(DOCUMENT, a).chunk_id(b)

    assert str(uuid.UUID(first)) == first
    assert (first == DocumentVersion(DOCUMENT, c).chunk_id(d)) == ((a, b) == (c, d))


def test_an_event_comes_back_from_its_stored_form() -> None:
    event = AuditEvent(
        kind=AuditKind.DENIED,
        time=datetime.now(UTC),
        subject="user:ada",
        outcome=Outcome.DENIED,
        actors=("agent:x", "service:y"),
        tenant="acme",
        action="document:read",
        decision_id="d",
        policy_revision=3,
        policy_digest="p",
        resources=("r",),
        query_hmac="q",
        detail={"reason": ["no rule"]},
    )

    assert AuditEvent.from_json(event.as_json()) == event


def test_an_event_without_a_zone_or_a_json_form_is_refused() -> None:
    with pytest.raises(UnstorableError, match="`time`"):
        AuditEvent(kind=AuditKind.SEARCH, time=datetime(2026, 1, 1), subject="")  # noqa: DTZ001
    with pytest.raises(UnstorableError, match="`event` has no JSON form"):
        AuditEvent(
            kind=AuditKind.SEARCH, time=datetime.now(UTC), subject="", detail={"at": object()}
        )
