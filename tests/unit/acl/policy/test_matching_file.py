"""`matching.toml`: role definitions that match by pattern, from the text to the decision."""

from __future__ import annotations

import random

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import NOW, READ, SCHEMA, label

MODEL = r"""[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, tenant, path, act, when, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub.id, p.sub, r.sub.tenant) && keyMatch(r.sub.tenant, p.tenant) && r.act == p.act && \
    keyMatch(r.obj.path, p.path) && eval(p.when)
"""
RULES = "p, role:steward, *, /*, document:read, True, allow\n"
STAR = RULES + "g, user:nora, role:steward, *\n"


def refused(matching: str, rules: str = STAR, model: str = MODEL) -> str:
    with pytest.raises(PolicyError) as error:
        read_policy(model, rules, SCHEMA, matching)
    return str(error.value)


def reads(subject: Subject, rules: str, matching: str) -> bool:
    policy = read_policy(MODEL, rules, SCHEMA, matching)
    decision = decide(policy, subject, READ, NOW)
    return isinstance(decision, Permitted) and holds(decision.predicate, label())


def test_a_star_as_the_tenant_of_a_link_is_each_tenant_where_it_is_declared() -> None:
    assert "star" in refused("")
    assert reads(Subject(id="user:nora", tenant="acme"), STAR, '[g]\ndomains = "keyMatch"')
    assert not reads(Subject(id="user:ada", tenant="acme"), STAR, '[g]\ndomains = "keyMatch"')


def test_names_are_matched_where_it_is_declared() -> None:
    rules = RULES + "g, user:nora*, role:steward, acme\n"
    assert "nora*" in refused("", rules)
    assert reads(Subject(id="user:nora-2", tenant="acme"), rules, '[g]\nnames = "keyMatch"')
    assert not reads(Subject(id="user:ada", tenant="acme"), rules, '[g]\nnames = "keyMatch"')


@pytest.mark.parametrize(
    ("matching", "reason"),
    [
        ("[g", "matching.toml: `file`: is not TOML"),
        ("g = 1", "matching.toml line 1: `g`: is a table `[g]`"),
        ("[g]", "matching.toml line 1: `g`: is a table `[g]`"),
        ('\n[g]\nname = "keyMatch"', "matching.toml line 3: `name`: is neither"),
        ("[g]\nnames = 3", "matching.toml line 2: `names`: is the name of a function"),
        ('[g]\nnames = "keymatch"', "matching.toml: `keymatch`: is not a matching function"),
        ('[g2]\nnames = "keyMatch"', "matching.toml: `g2`: is no role definition of the model"),
        ('[g]\nnames = "regexMatch"', "line 2, column `domain`"),
    ],
)
def test_what_the_file_cannot_say(matching: str, reason: str) -> None:
    assert reason in refused(matching)


def test_domains_need_a_domain() -> None:
    model = MODEL.replace("g = _, _, _", "g = _, _").replace("p.sub, r.sub.tenant)", "p.sub)")
    rules = RULES + "g, user:nora, role:steward\n"
    assert "have no domain to match" in refused('[g]\ndomains = "keyMatch"', rules, model)


def test_a_pattern_of_a_link_is_bounded_and_so_are_the_links() -> None:
    rules = RULES + "g, user:(a)(?=b), role:steward, acme\n"
    assert "line 2, column `name`" in refused('[g]\nnames = "regexMatch"', rules)
    many = "".join(f"g, user:n{number}, role:steward, acme\n" for number in range(201))
    assert "at most 200" in refused('[g]\nnames = "keyMatch"', RULES + many)
    assert read_policy(MODEL, RULES + many, SCHEMA, '[g]\ndomains = "keyMatch"')


def test_the_functions_are_part_of_what_a_policy_is() -> None:
    one = read_policy(MODEL, STAR, SCHEMA, '[g]\ndomains = "keyMatch"')
    other = read_policy(MODEL, STAR, SCHEMA, '[g]\ndomains = "keyMatch2"')
    assert one.digest != other.digest


NAMES = ("user:nora", "user:n*", "user:*", "user:ada", "group:a*", "group:all")
HELD = ("role:steward", "role:s*", "role:clerk", "group:all")
TENANTS = ("acme", "a*", "*", "globex")


def test_decisions_equal_enforce_whatever_is_matched() -> None:
    rng, answers = random.Random(5), {True: 0, False: 0}
    for _ in range(120):
        pairs = {(rng.choice(NAMES), rng.choice(HELD), rng.choice(TENANTS)) for _ in range(4)}
        links = "".join(f"g, {', '.join(pair)}\n" for pair in sorted(pairs) if pair[0] != pair[1])
        keys = rng.choice((("names",), ("domains",), ("names", "domains")))
        matching = "[g]\n" + "".join(f'{key} = "keyMatch"\n' for key in keys)
        try:
            policy = read_policy(MODEL, RULES + links, SCHEMA, matching)
        except PolicyError:
            continue
        oracle = Oracle(policy.model, policy.rows, policy.matching, at=NOW)
        for name in ("user:nora", "user:ada", "user:zed"):
            subject = Subject(id=name, tenant="acme", groups=frozenset({"group:all"}))
            request = request_of(policy, subject, READ, NOW)
            expected = oracle.enforce(request["sub"], label().as_json(), READ)
            decision = decide(policy, subject, READ, NOW)
            permitted = isinstance(decision, Permitted) and holds(decision.predicate, label())
            assert permitted == expected, (links, matching, name)
            answers[expected] += 1
    assert min(answers.values()) > 20, answers
