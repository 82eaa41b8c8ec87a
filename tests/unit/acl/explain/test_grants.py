"""What is offered permits, and comes from the smallest to the widest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest

from acl.admission.admission import read_csv
from acl.decision import Permitted
from acl.errors import Budget, RequestError
from acl.explain.changes import Grant, GrantKind, grants
from acl.labels import MAX_SET, Label, LabelSchema
from acl.language.casbin_adapter import Effect, RoleMatching
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, label

BEN: Final = Subject(id="user:ben", tenant="acme", clearance=2, compartments=frozenset({"finance"}))
ROWS: Final = """
p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow
p, group:everyone, *, /*, document:read, "any_of(r.obj.readers, r.sub.principals)", allow
p, group:finance, acme, /acme/finance/*, document:read, True, allow
p, group:everything, acme, /acme/*, document:read, True, allow
p, role:barred, acme, /acme/hr/*, document:read, True, deny
g, role:chief, group:finance, acme, _, _
g, user:eve, role:chief, acme, _, _
g, user:old, group:finance, acme, _, 2020-01-01 00:00:00
"""
FOLDER: Final = "/acme/finance/*"
CORPUS: Final = (
    (label(), 5),
    (label(path="/acme/finance/deep/x"), 7),
    (label(path="/acme/hr/x"), 11),
    (label(readers=["user:ben"]), 13),
    (label(compartments=["finance", "board"]), 17),
    (label(tenant="globex"), 19),
)


def policy(rows: str = ROWS, model: str = MODEL, schema: LabelSchema = SCHEMA) -> Policy:
    return load(model, read_csv(rows), schema)


def offered(
    subject: Subject = BEN,
    paper: Label | None = None,
    made: Policy | None = None,
    labels: Iterable[tuple[Label, int]] = CORPUS,
) -> tuple[Grant, ...]:
    return grants(
        policy() if made is None else made,
        subject,
        READ,
        label() if paper is None else paper,
        NOW,
        labels=labels,
    )


def by_kind(found: tuple[Grant, ...]) -> dict[GrantKind, list[str]]:
    kinds: dict[GrantKind, list[str]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one.value)
    return kinds


def test_who_may_is_offered_nothing() -> None:
    assert offered(paper=label(owner="user:ben")) == ()


def test_nothing_is_offered_across_tenants() -> None:
    assert offered(paper=label(tenant="globex")) == ()


def test_grants_come_from_the_smallest_to_the_widest() -> None:
    found = offered()

    assert [(one.kind, one.value, one.opens) for one in found] == [
        (GrantKind.READER, "user:ben", 1),
        (
            GrantKind.RULE_ADDED,
            "p, user:ben, acme, /acme/finance/plan.md, document:read, True, allow",
            5,
        ),
        (GrantKind.RULE_ADDED, f"p, user:ben, acme, {FOLDER}, document:read, True, allow", 12),
        (GrantKind.MEMBERSHIP, "group:everything", 23),
        (GrantKind.MEMBERSHIP, "group:finance", 23),
        (GrantKind.MEMBERSHIP, "role:chief", 23),
    ]
    assert {one.subject for one in found} == {"user:ben"}


def test_a_reader_can_be_a_group_of_the_subject() -> None:
    found = offered(replace(BEN, groups=frozenset({"group:x"})))

    assert by_kind(found)[GrantKind.READER] == ["user:ben", "group:x"]


def test_the_clearance_that_is_needed_is_offered_and_no_higher() -> None:
    found = offered(replace(BEN, clearance=0, groups=frozenset({"group:finance"})))

    assert by_kind(found) == {GrantKind.CLEARANCE: ["confidential"]}


def test_the_compartment_that_is_missing_is_offered() -> None:
    finance = replace(BEN, groups=frozenset({"group:finance"}))

    found = offered(finance, label(compartments=["finance", "board"]))
    assert by_kind(found) == {GrantKind.COMPARTMENT: ["board"]}
    assert [one.opens for one in found] == [17]
    assert offered(finance, label(compartments=["finance", "board", "pilot"])) == ()


def test_what_takes_two_changes_is_not_offered() -> None:
    assert offered(replace(BEN, clearance=0)) == ()


def test_a_rule_that_denies_can_go() -> None:
    barred = replace(BEN, groups=frozenset({"group:everything", "role:barred"}))
    found = offered(barred, label(path="/acme/hr/x"))

    assert [(one.kind, one.opens) for one in found] == [(GrantKind.RULE_REMOVED, 11)]
    assert found[0].value == "p, role:barred, acme, /acme/hr/*, document:read, True, deny"


def test_an_agent_s_rights_count_too() -> None:
    agent = Subject(id="agent:a", tenant="acme", clearance=3, compartments=BEN.compartments)
    reads = replace(BEN, groups=frozenset({"group:finance"}), actors=(agent,))

    found = offered(reads)
    assert {one.subject for one in found} == {"agent:a"}
    roles = ["group:everything", "group:finance", "role:chief"]
    assert by_kind(found)[GrantKind.MEMBERSHIP] == roles
    assert by_kind(found)[GrantKind.READER] == ["agent:a"]
    cleared = replace(reads, actors=(replace(agent, clearance=0, groups=reads.groups),))
    assert by_kind(offered(cleared)) == {GrantKind.CLEARANCE: ["confidential"]}


def test_whatever_is_offered_permits() -> None:
    """Applied by hand, in another way than it was found."""
    for one in offered():
        match one.kind:
            case GrantKind.READER:
                made, paper = policy(), label(readers=["group:finance", one.value])
            case GrantKind.MEMBERSHIP:
                made, paper = policy(f"{ROWS}g, user:ben, {one.value}, acme, _, _\n"), label()
            case _:
                made, paper = policy(f"{ROWS}{one.value}\n"), label()
        decision = decide(made, BEN, READ, NOW)
        assert isinstance(decision, Permitted)
        assert holds(decision.predicate, paper)


def test_a_link_that_is_over_is_not_made_again() -> None:
    old = replace(BEN, id="user:old")

    assert "group:finance" not in by_kind(offered(old))[GrantKind.MEMBERSHIP]


def test_a_policy_that_reads_no_readers_offers_no_reader() -> None:
    rows = "p, group:finance, acme, /acme/finance/*, document:read, True, allow\n"

    assert GrantKind.READER not in by_kind(offered(made=policy(rows)))
    assert GrantKind.READER in by_kind(offered())


def test_a_set_that_is_full_takes_no_reader() -> None:
    full = label(readers=[f"user:u{number}" for number in range(MAX_SET)])

    assert GrantKind.READER not in by_kind(offered(paper=full))


BARE: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = {columns}
{roles}[policy_effect]
e = {effect}
[matchers]
m = {matcher}
"""
ALLOW: Final = "some(where (p.eft == allow))"


def bare(
    rows: str,
    *,
    columns: str = "sub, owner, act, eft",
    matcher: str = "r.sub.id == p.sub && r.obj.owner == p.owner && r.act == p.act",
    roles: str = "",
    effect: str = ALLOW,
    schema: LabelSchema = SCHEMA,
) -> Policy:
    model = BARE.format(columns=columns, matcher=matcher, roles=roles, effect=effect)
    return policy(rows, model, schema)


def test_a_column_is_filled_with_what_it_is_compared_with() -> None:
    made = bare("p, user:eve, user:eve, document:read, allow\n")

    assert by_kind(offered(made=made)) == {
        GrantKind.RULE_ADDED: ["p, user:ben, group:finance, document:read, allow"]
    }


@pytest.mark.parametrize(
    "matcher",
    [
        "r.sub.id == p.sub && r.obj.owner != p.owner && r.act == p.act",
        "r.sub.id == p.sub && p.owner in r.obj.readers && r.act == p.act",
        "r.sub.id == p.sub && p.owner == r.sub.tenant && r.act == p.act",
    ],
)
def test_a_column_that_is_not_understood_is_not_guessed_at(matcher: str) -> None:
    made = bare("p, user:eve, user:eve, document:read, allow\n", matcher=matcher)

    assert GrantKind.RULE_ADDED not in by_kind(offered(made=made))


def test_a_missing_attribute_fills_no_column() -> None:
    schema = LabelSchema.from_toml(
        '[label]\ntenant = { type = "keyword" }\nowner = { type = "keyword", required = false }\n'
        'readers = { type = "keyword" }'
    )
    made = bare("p, user:eve, user:eve, document:read, allow\n", schema=schema)
    paper = schema.parse({"tenant": "acme", "readers": "user:eve"})

    assert offered(paper=paper, made=made, labels=()) == ()


RANKED: Final = "priority(p.eft) || deny"


def test_a_rule_that_comes_first_overrules() -> None:
    columns = "priority, sub, act, eft"
    matcher = 'r.act == p.act && (p.sub == "any" || r.sub.id == p.sub)'
    made = bare("p, 3, any, document:read, deny\n", columns=columns, matcher=matcher, effect=RANKED)
    tight = bare(
        "p, 0, any, document:read, deny\n", columns=columns, matcher=matcher, effect=RANKED
    )

    assert by_kind(offered(made=made)) == {
        GrantKind.RULE_ADDED: ["p, 2, user:ben, document:read, allow"]
    }
    assert offered(made=tight) == ()


def test_roles_that_order_the_rules_are_read_anew() -> None:
    made = bare(
        "p, role:all, document:read, deny\np, role:some, document:read, allow\n"
        "g, role:some, role:all\ng, user:eve, role:some\n",
        columns="sub, act, eft",
        matcher="g(r.sub.id, p.sub) && r.act == p.act",
        roles="[role_definition]\ng = _, _\n",
        effect="subjectPriority(p.eft) || deny",
    )

    assert made.effect is Effect.SUBJECT_PRIORITY
    assert by_kind(offered(made=made))[GrantKind.MEMBERSHIP] == ["role:some"]


def test_roles_with_patterns_are_offered_too() -> None:
    model = BARE.format(
        columns="sub, act, eft",
        matcher="g(r.sub.id, p.sub, r.sub.tenant) && r.act == p.act",
        roles="[role_definition]\ng = _, _, _\n",
        effect=ALLOW,
    )
    rows = "p, role:some, document:read, allow\ng, user:eve, role:some, ac*\n"
    made = load(model, read_csv(rows), SCHEMA, matching={"g": RoleMatching(domains="keyMatch")})

    assert by_kind(offered(made=made))[GrantKind.MEMBERSHIP] == ["role:some"]


def test_a_rule_that_would_be_refused_is_not_offered() -> None:
    found = offered(paper=label(path="/acme/finance*"))

    assert by_kind(found)[GrantKind.RULE_ADDED] == [
        "p, user:ben, acme, /acme/*, document:read, True, allow"
    ]


SMALL: Final = """
[label.tenant]
type = "keyword"
[label.owner]
type = "keyword"
"""


def test_a_schema_without_readers_or_levels_offers_neither() -> None:
    schema = LabelSchema.from_toml(SMALL)
    made = bare("p, user:eve, user:eve, document:read, allow\n", schema=schema)
    paper = schema.parse({"tenant": "acme", "owner": "user:eve"})

    assert by_kind(offered(paper=paper, made=made, labels=())) == {
        GrantKind.RULE_ADDED: ["p, user:ben, user:eve, document:read, allow"]
    }


FAILS: Final = (
    'p, group:x, acme, /*, document:read, "g(r.obj.owner, r.sub.groups, ""acme"")", deny\n'
)


def test_a_request_that_fails_is_told() -> None:
    with pytest.raises(RequestError, match="not a text"):
        offered(replace(BEN, groups=frozenset({"group:x"})), made=policy(ROWS + FAILS))


def test_a_change_that_would_make_the_request_fail_is_not_offered() -> None:
    made = policy(
        f"{ROWS}{FAILS}g, role:bad, group:finance, acme, _, _\ng, role:bad, group:x, acme, _, _\n"
    )

    assert "role:bad" not in by_kind(offered(made=made))[GrantKind.MEMBERSHIP]


def test_the_last_rule_that_denies_can_go_only_if_another_is_left() -> None:
    made = bare("p, role:x, document:read, deny\n", columns="sub, act, eft",
                matcher="r.act == p.act", effect=RANKED)  # fmt: skip

    assert by_kind(offered(made=made)) == {}


def test_no_more_changes_are_tried_than_there_is_budget_for() -> None:
    made = policy()
    whole = offered(made=made)
    budget = Budget(3 * len(made.rows))
    some = grants(made, BEN, READ, label(), NOW, labels=CORPUS, budget=budget)
    assert set(some) < set(whole)
    assert budget.left < 0

    plenty = Budget(1000 * len(made.rows))
    assert grants(made, BEN, READ, label(), NOW, labels=CORPUS, budget=plenty) == whole
    assert plenty.left >= 0
