"""A row whose filter would be too large is refused by its line; a long one of few kinds is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.engine.filter import MAX_CONDITIONS, to_filter
from acl.engine.wire import size
from acl.errors import PolicyError
from acl.labels import LabelSchema
from acl.policy.decide import decide
from acl.policy.policy import Policy
from acl.subject import Subject
from tests.unit.acl.default_policy import FOLDER, MODEL

SHARED = Path(__file__).parents[5] / "shared/cases/policies"
ADA = Subject(id="user:ada", tenant="acme", clearance=2, groups=frozenset({"group:x"}))
ALLOW = "p, group:x, acme, /*, document:read, True, allow\n"
MARKS = 170


def schema(*, required: bool) -> LabelSchema:
    marks = (
        f'[label.m{number}]\ntype = "keyword"\nrequired = {str(required).lower()}\n'
        for number in range(MARKS)
    )
    return LabelSchema.from_toml((FOLDER / "labels.toml").read_text() + "".join(marks))


def read(condition: str, effect: str = "allow", *, required: bool = False) -> Policy:
    """Return a policy with a condition, in the row where it is short and else in the matcher."""
    when, more = (condition, "") if len(condition) < 1000 else ("True", f" && ({condition})")
    quoted = when.replace('"', '""')
    line = f'p, group:x, acme, /a/*, document:read, "{quoted}", {effect}\n'
    model = MODEL.replace("eval(p.when)", f"eval(p.when){more}")
    return read_policy(model, ALLOW + line, schema(required=required))


def conditions(policy: Policy) -> int:
    """Return how large the filter of a search is; it is made as the service makes it."""
    decision = decide(policy, ADA, "document:read", datetime(2026, 6, 1, tzinfo=UTC))
    assert isinstance(decision, Permitted)
    return size(to_filter(decision.predicate, policy.schema))


def pairs(count: int, inner: str = "||", outer: str = "&&") -> str:
    return f" {outer} ".join(
        f'(r.obj.m{number} == "x" {inner} r.obj.m{MARKS - 1 - number} == "y")'
        for number in range(count)
    )


def owners(count: int) -> str:
    return str(tuple(f"user:{number}" for number in range(count)))


FORMS: tuple[Callable[[int], str], ...] = (
    pairs,
    lambda count: f"!({pairs(count)})",
    lambda count: pairs(count, inner="&&", outer="||"),
    lambda count: f"!({pairs(count, inner='&&', outer='||')})",
    lambda count: " || ".join(f'r.obj.m{number} == "x"' for number in range(2 * count)),
    lambda count: " && ".join(f'r.obj.m{number} != "x"' for number in range(2 * count)),
    lambda count: f"r.obj.owner in {owners(6 * count)}",
    lambda count: f"r.obj.owner not in {owners(6 * count)}",
)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_accepted_can_be_asked(
    form: Callable[[int], str], effect: str, *, required: bool
) -> None:
    for count in (4, 10, 18):
        assert conditions(read(form(count), effect, required=required)) <= MAX_CONDITIONS


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_what_could_not_be_asked_is_refused_where_it_stands(effect: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(pairs(85, inner="&&", outer="||"), effect)
    (refusal,) = caught.value.refusals

    assert refusal.where.startswith("model.conf")
    assert f"makes a filter of more than {MAX_CONDITIONS} conditions" in refusal.reason


def test_a_row_that_makes_the_matcher_too_large_is_refused_by_its_line() -> None:
    model = MODEL.replace("eval(p.when)", f"eval(p.when) && ({pairs(68)})")
    when = pairs(18, inner="&&", outer="||").replace('"', '""')
    rows = f'{ALLOW}p, group:x, acme, /a/*, document:read, "{when}", allow\n'
    with pytest.raises(PolicyError) as caught:
        read_policy(model, rows, schema(required=False))

    assert [one.where for one in caught.value.refusals] == ["policy.csv line 2"]


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/cases")
def test_the_given_policy_answers() -> None:
    name = "too-many-conditions"
    model, rows = ((SHARED / f"{name}.{part}").read_text() for part in ("model.conf", "policy.csv"))
    labels = LabelSchema.from_toml((SHARED / f"{name}.labels.toml").read_text())
    made = read_policy(model, rows, labels)
    member = Subject(id="user:ada", tenant="acme", groups=frozenset({"group:finance"}))
    decision = decide(made, member, "document:read", datetime(2026, 6, 1, tzinfo=UTC))

    assert isinstance(decision, Permitted)
    assert size(to_filter(decision.predicate, labels)) < MAX_CONDITIONS / 3
