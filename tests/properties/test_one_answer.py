"""What is admitted is provable: no random condition passes the check and fails the proof."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Final

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import AclError, PolicyError
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import ADA, EVE, MODEL, NOW, READ, SCHEMA, label

TRIED: Final = int(os.environ.get("STRONGROOM_CONDITIONS", "600"))

VALUES: Final = (
    "r.sub.id", "r.sub.tenant", "r.sub.clearance", "r.sub.groups", "r.sub.principals", "r.act",
    "r.sub.compartments", "r.obj.owner", "r.obj.classification", "r.obj.compartments",
    "r.obj.readers", "r.obj.path", "r.obj.tenant", "r.sub", "r.obj", "p.path", "p.sub", "p.act",
    "1", "2", "-1", "1.5", "True", "False", '"internal"', '"user:ada"', '"group:finance"',
    '"/acme/*"',
    '"acme"', '["user:ada", "user:p.smith"]', "[1, 2]", "(1, 2)", "[]", '"user:p.smith"',
)  # fmt: skip
JOINERS: Final = (
    "{} == {}", "{} != {}", "{} < {}", "{} <= {}", "{} in {}", "{} not in {}", "{} && {}",
    "{} || {}", "{} + {}", "{} == {}", "{} in {}", "any_of({}, {})", "subset_of({}, {})",
    "keyMatch({}, {})", "keyMatch2({}, {})", "globMatch({}, {})", "regexMatch({}, {})",
    "g({}, {}, r.sub.tenant)", "{} and {}", "{} < {} < 3", "ipMatch({}, {})", "keyGet({}, {})",
)  # fmt: skip


def condition(dice: random.Random, depth: int) -> str:
    if depth == 0 or dice.random() < 0.2:
        return dice.choice(VALUES)
    joined = dice.choice(JOINERS).format(condition(dice, depth - 1), condition(dice, depth - 1))
    return dice.choice((joined, joined, f"!({joined})", f"({joined})"))


def policy_of(dice: random.Random) -> Policy:
    when = condition(dice, dice.choice((1, 1, 2)))
    if dice.random() < 0.5:
        model, when = MODEL.replace("eval(p.when)", f"eval(p.when) && ({when})"), "True"
    else:
        model = MODEL
    quoted, effect = when.replace('"', '""'), dice.choice(("allow", "deny"))
    rows = (
        f'p, group:finance, acme, /acme/*, document:read, "{quoted}", allow\n'
        f"g, user:eve, role:contractor, acme, _, _\n"
        f"p, role:contractor, acme, /acme/*, document:read, True, {effect}\n"
    )
    return read_policy(model, rows, SCHEMA)


LABELS: Final = (
    label(),
    label(owner="user:ada", classification="public", compartments=[], readers=[]),
    label(owner="user:p.smith", classification="restricted", readers=["user:ada", "user:eve"]),
    label(path="/acme/x", compartments=["board"], classification="internal"),
)


def compared(policy: Policy, asker: Subject) -> None:
    oracle, request = policy.oracle(NOW), request_of(policy, asker, READ, NOW)
    decision = decide(policy, asker, READ, NOW)
    for one in LABELS:
        try:
            casbin = oracle.enforce(request["sub"], one.as_json(), request["act"])
        except Exception:  # noqa: BLE001 - an error of Casbin denies
            casbin = False
        assert (isinstance(decision, Permitted) and holds(decision.predicate, one)) is casbin


@pytest.mark.parametrize("seed", range(10))
def test_a_condition_that_is_admitted_is_decided_as_casbin_decides(seed: int) -> None:
    dice, counted = random.Random(seed), Counter[str]()
    for _ in range(TRIED // 10):
        try:
            policy = policy_of(dice)
        except PolicyError:
            counted["refused"] += 1
            continue
        for asker in (ADA, EVE):
            try:
                compared(policy, asker)
            except (AclError, AssertionError) as error:
                raise AssertionError(
                    f"{policy.rows[0].values} {policy.conjuncts[-1][0]}: {error}"
                ) from error
        counted["admitted"] += 1
    assert min(counted["refused"], counted["admitted"]) > TRIED // 500


@pytest.mark.parametrize(
    "asked",
    ["r.obj.path, False", "r.obj.owner, 1", 'r.obj.owner, ["role:x"]', '["user:ada"], r.obj.owner'],
)
def test_a_name_that_is_no_text_is_refused_by_the_check(asked: str) -> None:
    for text in (f"g({asked}, r.sub.tenant)", f"!g({asked}, r.sub.tenant)"):
        quoted = text.replace('"', '""')
        row = f'p, group:finance, acme, /acme/*, document:read, "{quoted}", allow\n'
        with pytest.raises(PolicyError, match=r"policy\.csv line 1.*are texts"):
            read_policy(MODEL, row, SCHEMA)


def test_a_name_that_is_a_text_is_asked_for_in_the_tenant_of_the_asker() -> None:
    row = (
        'p, group:finance, acme, /acme/*, document:read, "g(r.obj.owner, ""role:x"", {})", allow\n'
    )

    assert read_policy(MODEL, row.format("r.sub.tenant"), SCHEMA)
