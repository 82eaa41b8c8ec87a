"""What reads a label in a matcher becomes a term, or is refused by name."""

from __future__ import annotations

import pytest

from acl.language.expression import parse
from acl.language.fragment import Names, read
from acl.language.terms import AllOf, AnyPart, Compare, Known, Negation, Rule, Term, walk
from tests.unit.acl.small_policies import ADA, ROW, SCHEMA, allows, label, policy, refused

ROLES = "g = _, _\ng2 = _, _, _"


@pytest.mark.parametrize(
    ("matcher", "reason"),
    [
        ("r.obj.nothing == p.val", "`r.obj.nothing`: is not a declared attribute of the label"),
        ("r.obj == p.val", "`r.obj`: is not a declared attribute of the label"),
        ("r.obj.tags == p.val", "`==`: `tags` is a set; use any_of or subset_of"),
        ("r.obj.owner <= p.val", "`<=`: `owner` is not a number or a date"),
        ("r.obj.open > 0", "`>`: `open` is not a number or a date"),
        ("r.obj.owner == r.obj.tenant", "`==`: compares two attributes of the resource"),
        ("r.obj.owner in [r.obj.tenant]", "`in`: compares two attributes of the resource"),
        ("r.sub.name in r.obj.owner", "`in`: `owner` is not a set: this is a substring"),
        ("r.obj.tags in r.sub.tags", "`in`: `tags` is a set; use any_of or subset_of"),
        ("r.obj.owner in p.val", "`in`: a column is a text, so this would be a substring test"),
        ("r.obj.owner", "`r.obj.owner`: is not a boolean"),
        ("r.obj.level + 1 == 2", "`r.obj.level + 1`: computes with an attribute"),
        ("1 - r.obj.level", "`1 - r.obj.level`: has no form in the filter"),
        ("any_of(r.obj.owner, r.sub.groups)", "`any_of`: `owner` is not a set"),
        ("subset_of(r.obj.owner, r.sub.groups)", "`subset_of`: `owner` is not a set"),
        ("subset_of(r.obj.tags, r.obj.tags)", "may stand only in its first argument"),
        ("any_of(r.obj.tags, r.obj.tags)", "may stand only in its first argument"),
        ("any_of(r.obj.tags)", "`any_of`: takes two arguments"),
        ("keyMatch(p.val, r.item)", "may stand only in its first argument"),
        ("keyMatch(r.obj.level, '*')", "`keyMatch`: `level` is not a text"),
        ("keyMatch(r.obj.tags, '/x')", "`keyMatch`: `tags` is not a text"),
        ("regexMatch(r.obj.owner, p.val)", "`regexMatch`: has no form in the filter"),
        ("unheard(r.obj.owner, p.val)", "`unheard`: is not a function of Casbin or of the model"),
        ("unheard(r.sub.name)", "`unheard`: is not a function of Casbin or of the model"),
        ("stranger == r.sub.name", "`stranger`: is not defined by the model"),
        ("g(r.sub.name, p.sub, p.val)", "`g`: is defined over 2 names, not 3"),
        ("g2(r.obj.owner, p.sub)", "`g2`: is defined over 3 names, not 2"),
        ("g(r.obj.owner, r.obj.tenant)", "`g`: reads the resource in more than one place"),
        ("g(r.obj.level, p.sub)", "`g`: `level` is not a text"),
        ("eval('True')", "`eval`: is spelt"),
        ("eval(p.nothing)", "`eval(p.nothing)`: `eval` takes one column of the policy"),
    ],
)
def test_what_has_no_filter_form_is_refused_by_name(matcher: str, reason: str) -> None:
    assert reason in refused(matcher, ROW, roles=ROLES)


def test_a_rule_column_cannot_hold_another_eval() -> None:
    row = ("p", "ada", "eval(p.val)", "read")

    assert refused("eval(p.val)", row) == (
        "policy.csv line 1, column `val`, position 1: `eval`:"
        " a rule column cannot hold another `eval`"
    )


@pytest.mark.parametrize(
    ("matcher", "yes", "no"),
    [
        ("r.sub.name == r.obj.owner", {}, {"owner": "ben"}),
        ("2 > r.obj.level", {}, {"level": 2}),
        ("1 <= r.obj.level", {}, {"level": 0}),
        ("0 < r.obj.level < r.sub.level", {}, {"level": 2}),
        ("r.obj.owner not in ['ben', 'cyd']", {}, {"owner": "ben"}),
        ("'x' not in r.obj.tags", {"tags": []}, {}),
        ("'x' in r.obj.tags && 'a' in ['a']", {}, {"tags": ["y"]}),
        ("any_of(['x', 'y'], r.obj.tags)", {}, {"tags": ["z"]}),
        ("subset_of(r.obj.tags, ['x'])", {}, {"tags": ["x", "y"]}),
        ("r.obj.open && !(r.obj.level == 3)", {}, {"open": False}),
        ("r.obj.expires < 10", {}, {"expires": 10}),
        ("r.sub.home.city != r.obj.owner", {}, {"owner": "rome"}),
        ("(r.obj.open || r.sub.level > 5) && r.act == p.act", {}, {"open": False}),
        ("'a' in ['a'] != r.obj.owner", {}, {"owner": None}),
        ("r.sub.name in ['ada'] && 1 < 2 && r.obj.open", {}, {"open": False}),
    ],
)
def test_what_is_read_means_what_casbin_says(
    matcher: str, yes: dict[str, object], no: dict[str, object]
) -> None:
    made = policy(matcher)
    asked = {**ADA, "sub": {**ADA["sub"], "home": {"city": "rome"}}}

    assert allows(made, label(**yes), asked)
    assert not allows(made, label(**no), asked)


def test_a_chain_that_reads_a_label_keeps_its_known_links() -> None:
    made = policy("0 < r.sub.level <= r.obj.level != 7")

    assert allows(made, label(level=2))
    assert not allows(made, label(level=1))
    assert not allows(made, label(level=7))


def names() -> Names:
    return Names(
        request=("r", ("sub", "obj", "item", "act")),
        policy=("p", ("sub", "val", "act")),
        resource=frozenset({"obj", "item"}),
        schema=SCHEMA,
        roles={},
    )


def term(text: str) -> Term:
    return read(parse(text), names())


def test_walking_a_term_meets_everything_in_it() -> None:
    found = list(walk(term("!(r.obj.open && eval(p.val)) || r.act == p.act")))

    assert [type(one) for one in found] == [AnyPart, Negation, AllOf, Compare, Rule, Known]


def test_a_known_term_says_what_it_reads() -> None:
    known = term("r.act == p.act")

    assert isinstance(known, Known)
    assert known.asks
    assert "p_act" in known.columns
    plain = term("p.sub == 'x'")
    assert isinstance(plain, Known)
    assert not plain.asks
