"""Which rules fit a label, and whom they name: fewer than all, and never too few."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

import pytest

from acl.admission.admission import read_csv
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.labels import Label
from acl.language.casbin_adapter import Effect, RoleMatching
from acl.policy.decide import decide, principals
from acl.policy.names import Fitting
from acl.policy.policy import Policy, load
from acl.policy.profiles import profiles
from acl.predicate import holds
from acl.subject import Subject
from tests.properties.test_delegation import PRIORITY, paper, rows
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, label

ROWS: Final = """
p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow
p, group:finance, acme, /acme/finance/*, document:read, r.obj.classification <= 1, allow
p, group:board, acme, /acme/board/*, document:read, True, allow
p, group:late, acme, /acme/finance/*, document:read, r.obj.classification >= 3, allow
p, group:tags, acme, /acme/finance/*, document:tag, True, allow
p, group:globex, globex, /acme/finance/*, document:read, True, allow
p, group:barred, acme, /acme/finance/*, document:read, True, deny
p, group:everyone, acme, /acme/finance/*, document:read, r.sub.id == 'user:zoe', allow
"""
PAPER: Final = label(path="/acme/finance/x", classification=1, owner="user:ada", readers=[])


def made(text: str = ROWS, model: str = MODEL) -> Policy:
    return load(model, read_csv(text), SCHEMA)


def fitting(of: Policy, paper: Label = PAPER) -> Fitting:
    return Fitting(of, "acme", READ, paper)


def whom(of: Policy) -> list[str]:
    return [row.values[0] for row in fitting(of).rules()]


FIT: Final = ["group:everyone", "group:finance", "group:everyone"]


def test_rules_fit_unless_a_part_is_false_for_the_label() -> None:
    assert whom(made()) == FIT


def test_the_names_are_those_of_fitting_rules_and_of_the_label() -> None:
    assert fitting(made()).names() == frozenset({"group:finance", "user:ada", "user:zoe"})


def test_what_raises_is_in_doubt() -> None:
    of = made()
    columns = of.names.policy[1]
    when = columns.index("when")
    values = of.rules[1].values
    odd = replace(of.rules[1], values=(*values[:when], "r.obj.path <= 1", *values[when + 1 :]))
    assert whom(replace(of, rules=(odd,))) == ["group:finance"]


def test_a_tenant_of_its_own_column_is_known() -> None:
    model = MODEL.replace("r = sub, obj, act", "r = sub, dom, obj, act").replace(
        "keyMatch(r.sub.tenant, p.tenant)", "keyMatch(r.dom, p.tenant)"
    )
    assert model != MODEL
    assert whom(made(model=model)) == FIT


@pytest.mark.parametrize(
    "change",
    [
        {"effect": Effect.SUBJECT_PRIORITY},
        {"matching": {"g": RoleMatching(domains="keyMatch")}},
    ],
)
def test_where_names_come_in_another_way_it_does_not_say(change: dict[str, object]) -> None:
    assert fitting(replace(made(), **change)).names() is None  # type: ignore[arg-type]


def test_where_other_roles_or_patterns_name_people_it_does_not_say() -> None:
    of = made()
    more = {**of.model.roles, "g2": of.model.roles["g"]}
    assert fitting(replace(of, model=replace(of.model, roles=more))).names() is None
    row = replace(of.rules[1], values=("*", *of.rules[1].values[1:]))
    assert fitting(replace(of, rules=(*of.rules, row))).names() is None


def permitted(of: Policy, subject: Subject, paper: Label) -> bool:
    decision = decide(of, subject, READ, NOW)
    return isinstance(decision, Permitted) and holds(decision.predicate, paper)


def drawn(rng: random.Random) -> Policy:
    """Return a policy with one kind of role: where there are more, it does not say."""
    ranked = rng.random() < 0.3
    text = [row for row in rows(rng, ranked=ranked) if "g2" not in row]
    return made("\n".join(dict.fromkeys(text)), PRIORITY if ranked else MODEL)


def test_whoever_is_permitted_and_no_stranger_is_among_the_names() -> None:
    rng, narrowed, told = random.Random(3), 0, 0
    for _ in range(60):
        try:
            of = drawn(rng)
        except PolicyError:  # A link that stands twice with two windows.
            continue
        one = paper(rng)
        names = fitting(of, one).names()
        if names is None:
            continue
        for subject in profiles(
            (of,),
            tenants=("acme",),
            clearances=(3,),
            compartments=frozenset({"finance", "falcon", "board"}),
            labels=(one,),
        ):
            stranger = replace(subject, id="user:stranger-to-all", groups=frozenset())
            if permitted(of, subject, one) and not permitted(of, stranger, one):
                assert principals(of, subject, NOW) & names, (of.rules, subject, one)
                told += 1
            narrowed += not principals(of, subject, NOW) & names
    assert told > 20
    assert narrowed > 20
