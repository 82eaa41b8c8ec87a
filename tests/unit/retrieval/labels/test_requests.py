"""What a request needs and what comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.actions import Action
from acl.decision import Permitted
from acl.errors import RequestError
from acl.labels import Label, LabelSchema
from acl.policy.decide import decide
from acl.predicate import holds
from acl.records import ChangeKind, DocumentRecord, FolderLabel, LabelState, Share
from acl.subject import Subject
from ingest.label.inherit import Origins
from retrieval.labels.requests import (
    Ground,
    LabelRequest,
    LabelRequestError,
    ShareRequest,
    Wanted,
    needed,
    wanted,
)
from tests.unit.acl.default_policy import ADA, EVE, NOW, READ, SCHEMA, label, policy

TAG, SHARE, LOWER = Action.DOCUMENT_TAG, Action.DOCUMENT_SHARE, Action.DOCUMENT_DECLASSIFY
LATER = NOW + timedelta(days=1)
POLICY = policy()
PEOPLE = (
    ADA,
    EVE,
    Subject(id="user:bob", tenant="acme", clearance=1),
    Subject(id="user:leo", tenant="acme", clearance=3, groups=frozenset({"group:legal"})),
    Subject(id="user:stew", tenant="acme", clearance=2, groups=frozenset({"role:steward"})),
)


def state(made: Label, *shares: Share, origins: Origins | None = None) -> LabelState:
    document = DocumentRecord(
        id="5b0f4b0e-9d5d-4f0b-8b39-0d1f7f7f7f7f",
        tenant="acme",
        uri="file:plan.md",
        title="Plan",
        media_type="text/plain",
        metadata={},
        label_json=made.as_json(),
        label_digest=made.digest,
        label_version=3,
        projected_label_version=3,
        content_digest="c" * 64,
        live_version=1,
        chunk_count=1,
        created_at=NOW,
        updated_at=NOW,
        label_revision=1,
        shares=shares,
    )
    source = {**made.as_json(), "readers": ["group:finance"]}
    return LabelState(document=document, origins=(origins or Origins(source=source)).as_json())


def share(principal: str = "user:bob", until: Any = LATER) -> Share:
    return Share(principal=principal, until=until, by="user:ada", since=NOW - timedelta(days=9))


def ask(
    known: LabelState,
    *,
    folders: tuple[FolderLabel, ...] = (),
    schema: LabelSchema = SCHEMA,
    **request: Any,
) -> Wanted:
    ground = Ground(schema=schema, folders=folders, by="user:ada", at=NOW)
    return wanted(known, LabelRequest(**request), ground)


@pytest.mark.parametrize(
    ("changed", "actions"),
    [
        ({"classification": 3}, {TAG}),
        ({"classification": 1}, {LOWER}),
        ({"compartments": ["finance", "board"]}, {TAG}),
        ({"compartments": []}, {LOWER}),
        ({"compartments": ["board"]}, {LOWER}),
        ({"readers": []}, {TAG}),
        ({"readers": ["group:finance", "user:x"]}, {SHARE}),
        ({"readers": ["user:x"]}, {SHARE, TAG}),
        ({"owner": "user:x"}, {LOWER}),
        ({"classification": 3, "readers": ["group:finance", "user:x"]}, {TAG, SHARE}),
        ({}, {TAG}),
    ],
)
def test_each_change_needs_its_rights(changed: dict[str, Any], actions: set[Action]) -> None:
    assert needed(label(), label(**changed), SCHEMA) == actions


names = st.sampled_from(["user:ada", "user:eve", "user:bob", "group:finance", "group:everyone"])
labels = st.builds(
    lambda owner, level, compartments, readers: label(
        owner=owner, classification=level, compartments=compartments, readers=readers
    ),
    names,
    st.integers(0, 3),
    st.lists(st.sampled_from(["finance", "board"]), unique=True),
    st.lists(names, unique=True),
)


def may_read(subject: Subject, made: Label) -> bool:
    decision = decide(POLICY, subject, READ, NOW)
    return isinstance(decision, Permitted) and holds(decision.predicate, made)


@given(labels, labels)
def test_what_needs_the_right_to_tag_alone_lets_nobody_read_more(
    before: Label, after: Label
) -> None:
    if needed(before, after, SCHEMA) == {TAG}:
        for subject in PEOPLE:
            assert may_read(subject, before) or not may_read(subject, after)


@given(labels, st.integers(0, 3))
def test_raising_alone_lets_nobody_read_more(before: Label, more: int) -> None:
    level = before.values["classification"]
    assert isinstance(level, int)
    after = Label({**before.values, "classification": max(level, more)})
    assert needed(before, after, SCHEMA) == {TAG}
    assert all(may_read(one, before) or not may_read(one, after) for one in PEOPLE)


def test_what_is_set_is_the_documents_own_and_the_rest_stays() -> None:
    found = ask(state(label()), values={"classification": "restricted"})
    assert found.after == label(classification=3)
    assert found.origins.own == {"classification"}
    assert (found.actions, found.changes) == (frozenset({TAG}), True)
    again = ask(state(label()), values={}, inherit=frozenset())
    assert (again.changes, again.after) == (False, label())


def test_what_inherits_comes_from_the_folder_again() -> None:
    made = label(classification=3)
    origins = Origins(source=label().as_json(), own=frozenset({"classification"}))
    above = FolderLabel(
        tenant="acme",
        path="/acme/",
        attributes={"classification": 1, "owner": "user:x"},
        by="user:ada",
        at=NOW,
    )
    found = ask(
        state(made, origins=origins), folders=(above,), inherit=frozenset({"classification"})
    )
    assert found.after == label(classification=1)
    assert found.origins.of_attribute("classification") == "folder /acme/"
    # What was not asked for is not taken from the folder on this occasion.
    assert found.after.values["owner"] == "group:finance"
    whole = ask(state(made, origins=origins), folders=(above,), refresh=True)
    assert whole.after == label(classification=3, owner="user:x")


def test_setting_readers_leaves_shares_alone_and_takes_over_those_it_names() -> None:
    made = label(readers=["group:finance", "user:bob", "user:eve"])
    known = state(made, share(), share("user:eve"))
    found = ask(known, values={"readers": ["user:eve"]})
    assert found.after.values["readers"] == frozenset({"user:eve", "user:bob"})
    assert [one.principal for one in found.shares] == ["user:bob"]


def test_a_share_adds_a_reader_and_is_taken_back() -> None:
    found = ask(state(label()), share=(ShareRequest(principal="user:bob", until=LATER),))
    assert found.after.values["readers"] == frozenset({"group:finance", "user:bob"})
    assert found.shares == (Share(principal="user:bob", until=LATER, by="user:ada", since=NOW),)
    assert found.actions == {SHARE}
    shared = state(label(readers=["group:finance", "user:bob"]), share())
    longer = ask(shared, share=(ShareRequest(principal="user:bob"),))
    assert (longer.after, longer.changes) == (longer.before, True)
    assert longer.actions == {SHARE}
    back = ask(shared, unshare=frozenset({"user:bob"}))
    assert (back.after, back.shares, back.actions) == (label(), (), frozenset({SHARE}))


def test_what_has_ended_counts_for_nothing() -> None:
    known = state(label(readers=["group:finance", "user:bob"]), share(until=NOW))
    found = ask(known, values={"classification": 3})
    assert found.before == label()
    assert found.after == label(classification=3)
    assert found.shares == ()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"share": (ShareRequest(principal="bob"),)}, "`principal`: is no name such as"),
        ({"share": (ShareRequest(principal="agent:x"),)}, "`principal`: is no name such as"),
        (
            {"share": (ShareRequest(principal="group:finance"),)},
            "is a reader already, and for good",
        ),
        (
            {"share": (ShareRequest(principal="user:x", until=NOW),)},
            "`until`: is no moment to come",
        ),
        (
            {"share": (ShareRequest(principal="user:x", until=LATER.replace(tzinfo=None)),)},
            "`until`: is no moment to come",
        ),
        ({"unshare": frozenset({"user:x"})}, "`principal`: has no share of this document"),
        ({"values": {"path": "/x"}}, "`path`: is where the document lies"),
        ({"values": {"classification": "top"}}, "`classification`: expected one of"),
        ({"inherit": frozenset({"tenant"})}, "`tenant`: is not declared, or is where"),
        ({"inherit": frozenset({"zone"})}, "`zone`: is not declared, or is where"),
    ],
)
def test_what_cannot_be_done_is_said(request_: dict[str, Any], reason: str) -> None:
    with pytest.raises(LabelRequestError) as caught:
        ask(state(label()), **request_)
    assert reason in str(caught.value)
    assert isinstance(caught.value, RequestError)


def test_without_readers_nothing_is_shared() -> None:
    schema = LabelSchema.from_toml('[label.tenant]\ntype = "keyword"\n')
    known = state(schema.parse({"tenant": "acme"}))
    bare = LabelState(document=known.document, origins={"source": {"tenant": "acme"}})
    with pytest.raises(LabelRequestError, match=r"no set of names in labels\.toml"):
        ask(bare, schema=schema, share=(ShareRequest(principal="user:bob"),))


def test_a_remembered_label_comes_back_without_what_ended() -> None:
    remembered = {
        "label": label(
            classification=1, readers=["group:finance", "user:bob", "user:eve"]
        ).as_json(),
        "shares": [share(until=NOW).as_json(), share("user:eve").as_json()],
        "origins": Origins(source=label().as_json()).as_json(),
    }
    found = ask(state(label()), kind=ChangeKind.UNDO, restore=remembered)
    assert found.after == label(classification=1, readers=["group:finance", "user:eve"])
    assert [one.principal for one in found.shares] == ["user:eve"]
    assert "classification" in found.origins.own
    assert found.actions == {LOWER, SHARE}


def test_a_request_survives_being_stored() -> None:
    request = LabelRequest(
        values={"owner": "user:x"},
        inherit=frozenset({"readers"}),
        refresh=True,
        share=(ShareRequest(principal="user:a"), ShareRequest(principal="user:b", until=LATER)),
        unshare=frozenset({"user:c"}),
        reason="because",
    )
    assert LabelRequest.from_json(request.as_json()) == request
    with pytest.raises(LabelRequestError, match="no text of at most"):
        LabelRequest(reason="x" * 1001)


def test_names_of_another_type_are_no_raise() -> None:
    schema = LabelSchema.from_toml(
        '[label.tenant]\ntype="keyword"\n[label.readers]\ntype="keyword"\n'
        '[label.compartments]\ntype="keyword"\n[label.classification]\ntype="datetime"\n'
    )
    values = {"tenant": "acme", "readers": "user:a", "compartments": "x", "classification": 1}
    before = schema.parse(values)
    for name, value in (("readers", "user:b"), ("compartments", "y"), ("classification", 2)):
        assert needed(before, schema.parse({**values, name: value}), schema) == {LOWER}


def test_a_compartment_that_was_missing_is_no_raise() -> None:
    schema = LabelSchema.from_toml(
        '[label.tenant]\ntype="keyword"\n[label.compartments]\ntype="keyword_set"\nrequired=false\n'
    )
    nothing, some = (schema.parse({"tenant": "a", **one}) for one in ({}, {"compartments": ["x"]}))
    assert needed(nothing, some, schema) == {LOWER}
    assert needed(some, nothing, schema) == {LOWER}


def test_what_stays_and_is_pinned_or_let_go_beside_a_new_reader_is_tagging() -> None:
    made = label()
    readers = [*made.as_json()["readers"], "user:x"]
    known = state(made, origins=Origins(source=made.as_json()))
    alone = ask(known, values={"readers": readers})
    assert alone.actions == {SHARE}
    level = made.as_json()["classification"]
    pinned = ask(known, values={"readers": readers, "classification": level})
    assert pinned.actions == {SHARE, TAG}
    own = Origins(source=made.as_json(), own=frozenset({"classification"}))
    freed = ask(
        state(made, origins=own),
        values={"readers": readers},
        inherit=frozenset({"classification"}),
    )
    assert freed.actions == {SHARE, TAG}


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_share_ends_within_the_calendar(until: str) -> None:
    share_until = ShareRequest(principal="user:x", until=datetime.fromisoformat(until))
    with pytest.raises(LabelRequestError, match="no moment to come"):
        ask(state(label()), share=(share_until,))
