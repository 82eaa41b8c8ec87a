"""Partial evaluation: what is known is computed once, by Casbin's own evaluator."""

from __future__ import annotations

import ast

import pytest

from acl.algebra.partial import _Scope
from acl.language.casbin_adapter import FUNCTIONS, Evaluator
from tests.unit.acl.small_policies import ADA, allows, label, policy


def test_what_is_remembered_depends_on_the_columns_that_a_term_reads() -> None:
    made = policy(
        "r.sub.name == p.sub && r.obj.owner == p.val",
        ("p", "ben", "ada", "read"),
        ("p", "ada", "ben", "read"),
        ("p", "ada", "cyd", "read"),
    )

    assert [allows(made, label(owner=name)) for name in ("ada", "ben", "cyd")] == [
        False, True, True,
    ]  # fmt: skip


def test_evaluation_stops_where_casbins_does() -> None:
    shortened = policy("r.sub.name == 'ada' || r.sub.nothing == 'x' && r.obj.open")
    assert allows(shortened, label(open=False))
    dead = policy("r.sub.name == 'ben' && r.sub.nothing == 'x' && r.obj.open")
    assert not allows(dead, label())
    either = policy("!(r.sub.name != 'ada' || r.obj.owner == 'ben')")
    assert allows(either, label())
    assert not allows(either, label(owner=None))


def test_an_attribute_of_the_asker_is_read_once_and_an_unknown_name_is_an_error() -> None:
    evaluator = Evaluator(FUNCTIONS)
    scope = _Scope(evaluator, {"r_sub": dict(ADA["sub"])})
    name = ast.Name(id="r_sub.name", ctx=ast.Load())

    assert evaluator.value(name, scope) == "ada"
    scope["r_sub"] = {}
    assert evaluator.value(name, scope) == "ada"
    with pytest.raises(KeyError):
        scope["stranger"]
