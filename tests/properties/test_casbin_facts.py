"""What the design relies on about Casbin, pinned, so that an upgrade that changes it shows.

These tests ask Casbin alone. Where the compiler answers otherwise on purpose, it refuses; that is
tested with the compiler.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

import casbin
import pytest
import simpleeval
from casbin import util
from casbin.persist.adapters import StringAdapter

from acl import labels
from acl.language.casbin_adapter import check_versions

ALLOW = "some(where (p.eft == allow))"
BOTH = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
PLAIN = "r.sub == p.sub && r.obj == p.obj && r.act == p.act"


def enforcer(
    policy: str,
    *,
    matcher: str = PLAIN,
    columns: str = "sub, obj, act",
    effect: str = ALLOW,
    roles: str = "",
) -> Any:
    links = f"[role_definition]\n{roles}\n" if roles else ""
    text = (
        f"[request_definition]\nr = sub, obj, act\n[policy_definition]\np = {columns}\n{links}"
        f"[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )
    model = casbin.Enforcer.new_model(text=text)
    return casbin.Enforcer(model, StringAdapter(policy)) if policy else casbin.Enforcer(model)


def test_fact_1_the_installed_casbin_is_the_one_that_was_proved() -> None:
    assert version("pycasbin") == "2.8.0"
    check_versions()


def test_fact_2_enforce_follows_nine_hops_but_implicit_roles_any_number() -> None:
    chain = "\n".join(f"g, s{step}, s{step + 1}" for step in range(12))
    made = enforcer(
        f"p, s9, near, read\np, s10, far, read\n{chain}",
        matcher="g(r.sub, p.sub) && r.obj == p.obj",
        roles="g = _, _",
    )

    assert made.enforce("s0", "near", "read")
    assert not made.enforce("s0", "far", "read")
    assert "s12" in made.get_implicit_roles_for_user("s0")


def test_fact_2_implicit_permissions_do_not_know_deny() -> None:
    made = enforcer(
        "p, boss, d1, read, allow\np, boss, d1, read, deny\ng, ada, boss",
        matcher="g(r.sub, p.sub) && r.obj == p.obj",
        columns="sub, obj, act, eft",
        effect=BOTH,
        roles="g = _, _",
    )

    assert not made.enforce("ada", "d1", "read")
    assert ["boss", "d1", "read", "allow"] in made.get_implicit_permissions_for_user("ada")


def test_fact_3_rows_appended_to_a_model_decide_and_commas_are_safe() -> None:
    made = enforcer("")
    made.model["p"]["p"].policy.append(["ada", "a, b", "read"])

    assert made.enforce("ada", "a, b", "read")


def test_fact_4_an_empty_policy_lets_empty_values_in() -> None:
    made = enforcer("")

    assert made.enforce("", "", "")
    assert not made.enforce("ada", "", "")


def test_fact_4_the_default_allow_effect_allows_strangers() -> None:
    made = enforcer(
        "p, ada, d1, read, deny",
        columns="sub, obj, act, eft",
        effect="!some(where (p.eft == deny))",
    )

    assert made.enforce("stranger", "anything", "whatever")
    assert not made.enforce("ada", "d1", "read")


@pytest.mark.parametrize("effect", ["Deny", "dney", "DENY", " deny x"])
def test_fact_5_a_misspelt_effect_vanishes(effect: str) -> None:
    made = enforcer(
        f"p, ada, d1, read, allow\np, ada, d1, read, {effect}",
        columns="sub, obj, act, eft",
        effect=BOTH,
    )

    assert made.enforce("ada", "d1", "read")


def test_fact_6_a_row_that_raises_kills_the_request_if_it_comes_first() -> None:
    rules = ["p, ada, r.obj.owner == 'x', read", "p, ben, True, read"]
    for order, raises in ((rules, True), (rules[::-1], False)):
        made = enforcer("\n".join(order), matcher="eval(p.obj) && r.act == p.act")
        if raises:
            with pytest.raises(simpleeval.AttributeDoesNotExist):
                made.enforce("ben", {}, "read")
        else:
            assert made.enforce("ben", {}, "read")


def test_fact_7_columns_are_texts() -> None:
    made = enforcer("p, 3, d1, read", matcher="r.obj.level <= p.sub")

    with pytest.raises(TypeError):
        made.enforce("ada", {"level": 1}, "read")
    assert made.enforce("ada", {"level": "10"}, "read")


def test_fact_7_in_on_a_text_is_a_substring_test() -> None:
    assert enforcer("p, planning, x, y", matcher="r.sub in p.sub").enforce("plan", "x", "y")


def test_fact_8_a_hash_cuts_the_matcher() -> None:
    made = enforcer("p, ada, d1, read", matcher="r.obj == p.obj # && r.sub == p.sub")

    assert made.enforce("stranger", "d1", "read")


def test_fact_8_operators_and_references_are_rewritten_inside_literals() -> None:
    assert enforcer("p, x, y, z", matcher='r.sub == "a&&b"').enforce("aandb", "y", "z")
    assert enforcer("p, x, y, z", matcher='r.sub == "a||b"').enforce("aorb", "y", "z")
    assert enforcer("p, x, y, z", matcher='r.sub == "a!b"').enforce("anot b", "y", "z")
    assert enforcer("p, x, y, z", matcher='r.sub == "r.sub"').enforce("r_sub", "y", "z")


def test_fact_8_a_rule_is_spliced_as_text() -> None:
    made = enforcer("p, ada, rule, read", matcher="r.sub == p.sub && eval(p.obj)")
    made.model["p"]["p"].policy[0][1] = "False) or (True"

    assert made.enforce("stranger", "d1", "write")


@pytest.mark.parametrize("call", ["eval (p.obj)", "eval( p.obj )", "eval((p.obj))"])
def test_fact_8_another_spelling_of_eval_raises(call: str) -> None:
    made = enforcer("p, ada, True, read", matcher=f"r.sub == p.sub && {call}")

    with pytest.raises((KeyError, simpleeval.FunctionNotDefined)):
        made.enforce("ada", "d1", "read")


def test_fact_8_eval_is_spliced_into_a_literal_too() -> None:
    made = enforcer("p, ada, secret, read", matcher='r.sub == "eval(p_obj)"')

    assert made.enforce("(secret)", "d1", "read")


def test_fact_9_rows_of_undefined_kinds_vanish_and_brackets_join_columns() -> None:
    made = enforcer("p, ada, d1, read\nP, ben, d1, read\np9, cyd, d1, read\np, (dan, d1), d1, read")

    assert made.get_policy() == [["ada", "d1", "read"], ["(dan, d1)", "d1", "read"]]


def test_fact_9_a_lost_domain_makes_a_role_valid_everywhere() -> None:
    made = enforcer(
        "p, boss, d1, read\ng, ada, boss, acme",
        matcher="g(r.sub, p.sub) && r.obj == p.obj",
        roles="g = _, _",
    )

    assert made.enforce("ada", "d1", "read")


def test_fact_9_without_g_every_other_role_definition_is_ignored() -> None:
    made = enforcer("p, x, y, z", matcher="g2(r.sub, p.sub)", roles="g2 = _, _")

    with pytest.raises(simpleeval.FunctionNotDefined):
        made.enforce("ada", "d1", "read")


def test_fact_10_the_path_functions_mean_less_than_they_seem() -> None:
    assert util.regex_match("administrator-of-nothing", "admin")
    assert util.key_match("/a/b/anything", "/a/b*ignored")
    assert util.key_match2("/fileXtxt", "/file.txt")
    assert not util.key_match2("/a", "/a/*")
    assert util.key_match2("/a/", "/a/*")
    assert util.key_match("/a\n", "/a*")


def test_fact_11_a_subject_named_like_a_role_inherits_its_grants() -> None:
    made = enforcer(
        "p, boss, d1, read\ng, ada, boss",
        matcher="g(r.sub, p.sub) && r.obj == p.obj",
        roles="g = _, _",
    )

    assert made.enforce("boss", "d1", "read")


def test_fact_11_another_spelling_escapes_a_denial() -> None:
    made = enforcer(
        "p, ädä, d1, read, deny",
        columns="sub, obj, act, eft",
        effect="!some(where (p.eft == deny))",
    )

    assert not made.enforce("ädä", "d1", "read")
    assert made.enforce("a\u0308da\u0308", "d1", "read")


def test_fact_13_a_reload_forgets_that_roles_expire() -> None:
    made = enforcer(
        "p, boss, d1, read\ng, ada, boss, _, 2001-01-01 00:00:00",
        matcher="g(r.sub, p.sub) && r.obj == p.obj",
        roles="g = _, _, (_, _)",
    )
    made.add_named_link_condition_func("g", "ada", "boss", util.time_match_func)
    assert not made.enforce("ada", "d1", "read")

    made.load_policy()
    assert made.enforce("ada", "d1", "read")


def test_fact_14_strangers_grow_the_role_manager() -> None:
    made = enforcer("p, boss, d1, read\ng, ada, boss", matcher="g(r.sub, p.sub)", roles="g = _, _")
    for number in range(50):
        made.enforce(f"stranger{number}", "d1", "read")

    assert len(made.get_role_manager().all_roles) > 50


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_fact_14_casbin_logs_names_unless_it_is_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    made = enforcer("p, ada, d1, read")
    kept = Kept()
    monkeypatch.setattr(made.logger, "handlers", [kept])
    made.enforce("ada\nforged line", "d1", "read")
    assert kept.lines == []

    monkeypatch.setattr(made.logger, "disabled", False)
    made.enforce("ada\nforged line", "d1", "read")
    assert "forged line" in kept.lines[0]


def test_fact_15_simpleeval_is_the_fixed_one() -> None:
    assert tuple(map(int, version("simpleeval").split("."))) >= (1, 0, 8)
    with pytest.raises(simpleeval.FeatureNotAvailable):
        enforcer("p, x, y, z", matcher="r.sub.__class__ == p.sub").enforce("a", "b", "c")


def test_attributes_that_the_evaluator_refuses_are_refused_by_the_schema() -> None:
    assert set(simpleeval.DISALLOW_METHODS) == labels._UNREADABLE
    assert set(simpleeval.DISALLOW_PREFIXES) == {"_", labels._UNREADABLE_PREFIX}


def test_the_first_matching_row_ends_the_walk_of_allow_override() -> None:
    made = enforcer("p, ada, True, read\np, ben, r.obj.gone, read", matcher="eval(p.obj)")

    assert made.enforce("x", {}, "read")


def test_one_matching_denial_ends_the_walk_before_a_row_that_raises() -> None:
    rows = "p, x, True, read, deny\np, x, r.obj.gone, read, allow"
    made = enforcer(rows, matcher="eval(p.obj)", columns="sub, obj, act, eft", effect=BOTH)

    assert not made.enforce("x", {}, "read")


def test_the_effect_of_an_enforce_context_is_ignored() -> None:
    text = (
        "[request_definition]\nr = sub, obj, act\nr2 = sub, obj, act\n"
        "[policy_definition]\np = sub, obj, act\np2 = sub, obj, act, eft\n"
        f"[policy_effect]\ne = {ALLOW}\ne2 = {BOTH.replace('p.', 'p2.')}\n"
        "[matchers]\nm = r.sub == p.sub\nm2 = r2.sub == p2.sub\n"
    )
    model = casbin.Enforcer.new_model(text=text)
    policy = "p2, ada, d1, read, deny\np2, ada, d1, read, allow"
    made = casbin.Enforcer(model, StringAdapter(policy))
    context = made.new_enforce_context("2")

    assert made.enforce(context, "ada", "d1", "read")
