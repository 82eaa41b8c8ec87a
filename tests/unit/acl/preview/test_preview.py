"""Who gains and who loses what, and what would not have been released."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from acl.decision import Permitted
from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.policy.profiles import profiles
from acl.predicate import ALWAYS, NEVER, AnyOf, AtMost, Condition, holds
from acl.preview.census import Corpus
from acl.preview.preview import (
    Comparison,
    Conditions,
    PastRelease,
    Preview,
    difference_of,
    preview,
    review_releases,
)
from acl.subject import Subject
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import ROWS, policy
from tests.unit.acl.default_policy import ADA, EVE, MODEL, NOW, READ, SCHEMA, label, unadmitted

DOCUMENTS = tuple(
    (f"{folder}-{level}-{number}", label(path=f"/acme/{folder}/x", classification=level,
                                        compartments=[], readers=[], owner="user:nobody"))
    for folder in ("finance", "engineering", "board")
    for level in range(4)
    for number in range(level + 1)
)  # fmt: skip
LESS = ROWS.replace("p, group:finance, acme, /acme/finance/*, document:read, True, allow\n", "")
MORE = ROWS + "p, group:engineering, acme, /acme/board/*, document:read, True, allow\n"
CHANGES = [
    LESS,
    MORE,
    ROWS.replace("2026-03-31", "2027-03-31"),
    ROWS.replace("role:contractor, acme, _, _", "role:auditor, acme, _, _"),
    ROWS.replace("p, role:contractor", "p, group:engineering"),
]


def corpus(documents: tuple[tuple[str, Label], ...] = DOCUMENTS) -> Corpus:
    return Corpus(documents, SCHEMA)


def foreseen(
    after: Policy, *subjects: Subject, readable: Condition = ALWAYS, samples: int = 5
) -> Preview:
    return preview(
        Conditions(policy()), Conditions(after), subjects, READ, corpus(), at=NOW,
        readable=readable, samples=samples,
    )  # fmt: skip


def permitted(made: Policy, subject: Subject) -> set[str]:
    decision = decide(made, subject, READ, NOW)
    if not isinstance(decision, Permitted):
        return set()
    return {one for one, known in DOCUMENTS if holds(decision.predicate, known)}


def test_losses_are_counted_by_classification() -> None:
    found = foreseen(policy(LESS), ADA, EVE)
    (change,) = found.changes

    assert change.subjects == (ADA,)
    assert change.lost.documents == 10
    assert change.lost.by_level == (
        ("public", 1), ("internal", 2), ("confidential", 3), ("restricted", 4)
    )  # fmt: skip
    assert change.lost.samples == (
        "finance-0-0", "finance-1-0", "finance-1-1", "finance-2-0", "finance-2-1"
    )  # fmt: skip
    assert (change.gained.documents, change.gained.by_level, change.gained.samples) == (0, (), ())
    assert found.unchanged == 1


def test_ids_are_of_documents_that_whoever_previews_may_read() -> None:
    few = foreseen(policy(LESS), ADA, readable=AtMost("classification", 0)).changes[0].lost
    none = foreseen(policy(LESS), ADA, readable=NEVER).changes[0].lost

    assert (few.documents, few.samples) == (10, ("finance-0-0",))
    assert (none.documents, none.samples) == (10, ())
    one = foreseen(policy(LESS), ADA, samples=1).changes[0].lost
    assert one.samples == ("finance-0-0",)


def test_subjects_who_are_decided_alike_are_looked_at_once_and_the_largest_change_is_first() -> (
    None
):
    twins = [
        Subject(
            id=f"user:{name}", tenant="acme", clearance=level, groups=frozenset({"group:legal"})
        )
        for name, level in (("a", 1), ("b", 3))
    ]
    after = policy(
        ROWS.replace("p, group:legal, acme, /acme/board/*", "p, group:legal, acme, /acme/x/*")
    )
    changes = foreseen(after, *twins).changes

    assert [one.subjects[0].id for one in changes] == ["user:b", "user:a"]
    assert [one.lost.documents for one in changes] == [10, 3]
    roles = profiles(
        [policy(), after], tenants=["acme"], clearances=(0, 3), compartments=frozenset()
    )
    found = foreseen(after, *roles)
    assert sum(len(one.subjects) for one in found.changes) + found.unchanged == len(roles)


@pytest.mark.parametrize("rows", CHANGES)
def test_what_is_counted_is_what_deciding_each_document_says(rows: str) -> None:
    after = policy(rows)
    subjects = profiles(
        [policy(), after], tenants=["acme"], clearances=(0, 3), compartments=frozenset({"board"})
    )
    changes = {
        subject: one for one in foreseen(after, *subjects).changes for subject in one.subjects
    }
    for subject in subjects:
        old, new = permitted(policy(), subject), permitted(after, subject)
        found = changes.get(subject)
        assert (found is not None) == (old != new)
        if found is not None:
            assert (found.gained.documents, found.lost.documents) == (
                len(new - old), len(old - new)
            )  # fmt: skip
            assert set(found.gained.samples) <= new - old
            assert set(found.lost.samples) <= old - new
    assert changes or "2027" in rows


RULES_ONLY = [
    LESS,
    MORE,
    ROWS.replace("p, role:contractor", "p, group:x"),
    "".join(reversed(LESS.splitlines(keepends=True))),
]


@pytest.mark.parametrize("rows", RULES_ONLY)
def test_what_two_policies_share_is_evaluated_once_and_means_the_same(rows: str) -> None:
    before, after = policy(), policy(rows)
    difference = difference_of(before, after)
    subjects = profiles(
        [before, after], tenants=["acme"], clearances=(0, 3), compartments=frozenset({"board"})
    )
    alike = 0

    assert (difference is None) is (rows == RULES_ONLY[3]), "there the links are in another order"
    for one in subjects:
        apart = [Conditions(made).of(one, READ, NOW) for made in (before, after)]
        pair = Comparison(Conditions(before), Conditions(after)).of(one, READ, NOW)
        alike += pair is None
        assert apart[0] == apart[1] if pair is None else list(pair) == apart
    assert (alike > 0) is (difference is not None)


@pytest.mark.parametrize("effect", [small.ALLOW, small.BOTH, small.PRIORITY])
def test_the_order_of_rules_counts_where_rows_are_shared(effect: str) -> None:
    rng = random.Random(effect)
    shared = 0
    columns = "sub, val, act, eft" if effect != small.PRIORITY else "priority, sub, val, act, eft"
    matcher = "p.sub == r.sub && keyMatch2(r.obj.place, p.val) && r.obj.weight > 2"
    text = small.model(matcher, columns=columns, effect=effect, request="sub, obj, act")
    subject = Subject(id="user:ada", tenant="acme")
    different = 0
    for _ in range(80):
        pool = [
            (*((str(rng.randrange(90)),) if effect == small.PRIORITY else ()),
             rng.choice(["user:ada", "user:ben"]), place, READ, rng.choice(["allow", "deny"]))
            for place in rng.sample(["/a/b", "/a/:x", "/:x/b", "/a/*", "/b/*", "/:x"], 5)
        ]  # fmt: skip
        rng.shuffle(pool)
        made = [
            load(text, [Row(n, "p", one) for n, one in enumerate(some, 1)], small.SCHEMA)
            for some in (pool[:4], pool[1:] if rng.random() < 0.5 else rng.sample(pool, 4))
        ]
        before, after = (Conditions(one) for one in made)
        shared += difference_of(*made) is not None
        pair = Comparison(before, after).of(subject, READ, small.AT)
        apart = tuple(Conditions(one).of(subject, READ, small.AT) for one in made)
        if pair is None:
            assert apart[0] == apart[1]
        else:
            different += apart[0] != apart[1]
            assert pair == apart
            # And kept: asking again finds the same.
            assert after.of(subject, READ, small.AT) is pair[1]
    assert different > 10
    assert shared > 30
    assert shared < 80 or effect == small.PRIORITY, "there the order is that of the numbers"


def test_more_than_rules_may_differ() -> None:
    assert difference_of(policy(), policy(ROWS.replace("user:eve", "user:ed"))) is None
    assert difference_of(policy(), policy(model=MODEL + "\n# changed\n")) is None
    empty = load(small.model(), [], small.SCHEMA)
    assert difference_of(empty, empty) is None
    twice = small.policy("r.obj.open", small.ROW, small.ROW)
    once = small.policy("r.obj.open", small.ROW)
    assert difference_of(twice, once) is None
    assert difference_of(once, twice) is None
    around = [
        small.policy("r.obj.open", small.ROW, ("p", name, "x", "read"), small.ROW)
        for name in ("ben", "cyd")
    ]
    assert difference_of(*around) is None, "a row that stands twice has no one place"
    same = difference_of(policy(), policy())
    assert same is not None
    assert same.conditions(ADA, READ, NOW) is None


def test_agents_narrow_what_changes() -> None:
    agent = Subject(id="agent:helper", tenant="acme", clearance=1, groups=ADA.groups)
    through = replace(ADA, actors=(agent,))
    (change,) = foreseen(policy(LESS), through).changes

    assert change.lost.by_level == (("public", 1), ("internal", 2))


def test_a_row_that_cannot_be_decided_upon_is_told_for_those_whom_it_concerns() -> None:
    when = "r.sub.clearance && r.obj.classification < 3"
    row = f"p, group:finance, acme, /acme/finance/*, {READ}, {when}, allow\n"
    found = foreseen(unadmitted(ROWS + row), ADA, EVE)
    (change,) = found.changes

    assert change.subjects == (ADA,)
    assert "neither true nor false" in change.error
    assert found.unchanged == 1


def test_a_schema_without_levels_is_counted_too() -> None:
    documents = [("one", small.label()), ("two", small.label(open=False))]
    held = Corpus(documents, small.SCHEMA)

    assert held.by_level(held.census.mask(ALWAYS)) == (("", 2),)
    assert held.label_of("one") == documents[0][1]
    assert held.label_of("three") is None
    nothing = Corpus([], SCHEMA)
    assert nothing.by_level(nothing.census.mask(ALWAYS)) == ()


def released(subject: Subject, *documents: str, at: datetime = NOW) -> PastRelease:
    return PastRelease(id="r", subject=subject, action=READ, documents=documents, at=at)


def test_past_releases_that_would_have_been_refused() -> None:
    releases = [
        released(ADA, "finance-0-0", "finance-3-0"),
        released(ADA, "board-0-0", "deleted"),
        released(EVE, "engineering-1-0"),
        released(EVE, "engineering-1-1", at=NOW + timedelta(days=1)),
    ]
    readable = AnyOf("classification", frozenset({0, 1}))
    review = review_releases(Conditions(policy(LESS)), releases, corpus(), readable=readable)
    first, second = review.refused

    assert (review.releases, review.gone) == (4, 1)
    assert (first.release, first.refused, first.hidden) == (releases[0], ("finance-0-0",), 1)
    assert (second.refused, second.hidden) == (("board-0-0",), 0)
    every = review_releases(Conditions(policy(LESS)), releases, corpus(), readable=ALWAYS)
    assert every.refused[0].refused == ("finance-0-0", "finance-3-0")


@pytest.mark.parametrize(
    ("moment", "refused"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), 1),
        (datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), 0),
        (datetime(2026, 3, 31, 23, 59, 58, tzinfo=UTC), 0),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 5, 1, tzinfo=UTC), 1),
    ],
)
def test_a_release_is_judged_by_the_roles_of_its_own_moment(moment: datetime, refused: int) -> None:
    sam = Subject(id="user:sam", tenant="acme", clearance=3)
    known, held = Conditions(policy()), corpus()
    # Others first, so that what is remembered is of another moment.
    for other in (NOW, datetime(2026, 2, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)):
        known.of(sam, READ, other)
    releases = [released(sam, "finance-1-0", at=moment)]

    assert len(review_releases(known, releases, held, readable=ALWAYS).refused) == refused
