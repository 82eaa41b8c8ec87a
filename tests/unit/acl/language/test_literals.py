"""A level's name or a date in a rule is the number that a label holds, to compiler and Casbin."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from acl.decision import Permitted
from acl.errors import PolicyError
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.compiler import compile_request
from acl.policy.policy import Policy, load
from acl.predicate import NEVER, holds

SCHEMA = LabelSchema.from_toml(
    """
[label]
classification = { type = "integer", levels = ["public", "größe", "it's", "secret"] }
rank = { type = "integer", required = false, levels = ["low", "high"] }
owner = { type = "keyword" }
count = { type = "integer" }
expires = { type = "datetime" }
"""
)
MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, when, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.sub.id == p.sub && {matcher}
"""
AT = datetime(2026, 6, 1, tzinfo=UTC)
LEVELS = SCHEMA.attributes["classification"].levels
LABELS = [
    SCHEMA.parse(
        {"owner": "secret", "count": 1, "expires": moment, "classification": level, "rank": rank}
    )
    for level, moment, rank in product(
        range(4), (1_769_878_799, 1_769_878_800, 1_769_878_801), (None, 0, "high")
    )
]


def made(when: str = "True", matcher: str = "eval(p.when)", effect: str = "allow") -> Policy:
    rows = [Row(1, "p", ("user:ada", "True", "allow")), Row(2, "p", ("user:ada", when, effect))]
    return load(MODEL.format(matcher=matcher), rows[effect == "allow" :], SCHEMA)


def seen(policy: Policy, clearance: int = 2) -> frozenset[int]:
    """Return the labels that the compiled policy permits, after Casbin permitted the same."""
    asker = {"id": "user:ada", "clearance": clearance}
    decision = compile_request(policy, {"sub": asker, "act": "read"}, AT)
    oracle = policy.oracle(AT)

    def enforced(label: Label) -> bool:
        try:
            return oracle.enforce(asker, label.as_json(), "read")
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies
            return False

    condition = decision.predicate if isinstance(decision, Permitted) else NEVER
    got = {at for at, one in enumerate(LABELS) if holds(condition, one)}
    assert got == {at for at, one in enumerate(LABELS) if enforced(one)}
    return frozenset(got)


def reason(when: str) -> str:
    with pytest.raises(PolicyError) as caught:
        made(when)
    (refusal,) = caught.value.refusals
    assert (refusal.where, refusal.column) == ("policy.csv line 2", "when")
    return f"{refusal.operator}: {refusal.reason}"


FORMS = ("{a} {op} {l}", "{l} {op} {a}", "!({a} {op} {l})", "{a} {op} {l} && r.obj.count == 1")
READ = ("r.obj.classification", "r.obj.rank", "r.sub.clearance")


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_a_level_by_its_name_is_the_level_by_its_number(operator: str, effect: str) -> None:
    for form, attribute in product(FORMS, READ):
        levels = SCHEMA.attributes["rank"].levels if "rank" in attribute else LEVELS
        for number, level in enumerate(levels):
            named, numbered = (
                form.format(a=attribute, op=operator, l=text) for text in (f'"{level}"', number)
            )
            assert seen(made(named, effect=effect)) == seen(made(numbered, effect=effect)), named


@pytest.mark.parametrize(
    ("named", "numbered"),
    [
        ('r.obj.classification in ["public", "secret"]', "r.obj.classification in [0, 3]"),
        ('r.obj.classification not in ("public", 2)', "r.obj.classification not in (0, 2)"),
        ('"public" < r.obj.classification <= "it\'s"', "0 < r.obj.classification <= 2"),
        ('r.sub.clearance in ("it\'s", "secret")', "r.sub.clearance in (2, 3)"),
        (
            'r.obj.owner == "secret" && r.obj.classification == "größe"',
            'r.obj.owner == "secret" && r.obj.classification == 1',
        ),
        ('r.obj.expires < "2026-01-31 17:00:00"', "r.obj.expires < 1769878800"),
        ('"2026-01-31T18:00:00+01:00" >= r.obj.expires', "1769878800 >= r.obj.expires"),
        ('r.obj.expires != "2026-01-31T17:00:00Z"', "r.obj.expires != 1769878800"),
    ],
)
def test_lists_chains_and_moments_are_read_alike(named: str, numbered: str) -> None:
    assert seen(made(named)) == seen(made(numbered)) != frozenset()
    assert seen(made(matcher=named)) == seen(made(matcher=numbered))


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ('r.obj.classification == "internal"', '"internal": is no level of `classification`; '),
        ('"Secret" >= r.obj.classification', 'write one of "public", "größe", "it\'s", "secret"'),
        ('r.obj.classification in ["public", "top"]', '"top": is no level of `classification`'),
        ('r.obj.classification <= "2"', "or the number without quotes"),
        ('r.obj.rank == "secret"', '"secret": is no level of `rank`; write one of "low", "high"'),
        ('r.sub.clearance == "top"', '"top": is no level of `clearance`'),
        ("r.obj.classification <= secret", 'secret: is a level; write it in quotes: "secret"'),
        ("r.obj.classification <= hidden", "hidden: is not defined by the model"),
        (
            'r.obj.expires > "2026-01-01"',
            "is no moment in whole seconds; a moment is written `2026-01-31 17:00:00`",
        ),
        ('r.obj.expires > "2026-01-31T17:00:00.5Z"', "is no moment in whole seconds"),
        (
            'r.obj.expires > "soon"',
            "is no moment in whole seconds; a moment is written `2026-01-31 17:00:00`",
        ),
        (
            'r.obj.expires > "2026-01-31T17:00:00"',
            "is no moment in whole seconds; a moment is written",
        ),
    ],
)
def test_what_is_no_level_and_no_moment_is_refused_with_what_could_stand_there(
    when: str, told: str
) -> None:
    assert told in reason(when)


def test_the_author_s_text_stays_where_it_is_shown() -> None:
    policy = made(matcher='r.obj.classification <= "secret" && eval(p.when)')

    assert [text for text, _ in policy.conjuncts][1] == 'r.obj.classification <= "secret"'
    assert policy.rows[0].values[1] == "True"
    assert "secret" not in str(policy.oracle(AT).model.matchers)


def test_a_column_that_is_no_rule_keeps_its_text() -> None:
    when = 'r.obj.classification <= "secret"'
    rows = [Row(1, "p", (when, when, "allow"))]
    policy = load(MODEL.format(matcher="eval(p.when)"), rows, SCHEMA)

    assert policy.oracle(AT).rows[0].values == (when, "r_obj.classification <= 3", "allow")
