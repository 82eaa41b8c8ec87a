"""Chains that Casbin leaves off and circles of roles are refused by their rows."""

from __future__ import annotations

import pytest

from acl.admission.admission import admit, read_csv
from acl.errors import PolicyError
from acl.language.roles import HOPS, HOPS_TIMED
from acl.policy.policy import load
from tests.unit.acl.default_policy import MODEL, SCHEMA

RULE = "p, role:r0, acme, /*, document:read, True, allow\n"
PLAIN = (
    "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, act\n"
    "[role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n"
    "[matchers]\nm = g(r.sub, p.sub) && r.act == p.act && r.obj.classification < 3\n"
)


def refused(rows: str, model: str = MODEL) -> list[str]:
    try:
        admit(load(model, read_csv(rows), SCHEMA))
    except PolicyError as error:
        return [str(one) for one in error.refusals]
    return []


def chain(hops: int, rest: str = ", acme, _, _") -> str:
    return "".join(f"g, role:r{one}, role:r{one + 1}{rest}\n" for one in range(hops))


def test_a_chain_may_be_as_long_as_casbin_follows_it() -> None:
    assert refused(RULE + chain(HOPS_TIMED)) == []
    assert refused(RULE + chain(HOPS_TIMED + 1)) == [
        "policy.csv line 12, column `role`: `role:r11`: is hop 11 of a chain; Casbin follows 10"
    ]
    plain = "p, role:r0, document:read\n"
    assert refused(plain + chain(HOPS, ""), PLAIN) == []
    (found,) = refused(plain + chain(HOPS + 1, ""), PLAIN)
    assert "line 11, column `role`: `role:r10`: is hop 10 of a chain; Casbin follows 9" in found


def test_links_of_another_tenant_are_another_chain() -> None:
    lower, upper = chain(6), chain(12)[len(chain(6)) :].replace("acme", "beta")

    assert refused(RULE + lower + upper) == []
    assert len(refused(RULE + lower + upper.replace("beta", "acme"))) == 1


def test_a_longer_way_counts_even_beside_a_shorter_one() -> None:
    assert refused(RULE + chain(10) + "g, role:r0, role:r10, acme, _, _\n") == []
    assert len(refused(RULE + chain(11) + "g, role:r0, role:r11, acme, _, _\n")) == 1


@pytest.mark.parametrize(
    ("links", "lines"),
    [
        (["a a"], [2]),
        (["a b", "b a"], [2, 3]),
        (["a b", "b c", "c b", "c d", "d e", "x a"], [3, 4]),
        (["a b", "b a", "b c", "c d", "d c"], [2, 3, 4, 5, 6]),
        (["a b", "a c", "b d", "c d"], []),
    ],
)
def test_roles_that_lead_back_to_themselves_are_refused(links: list[str], lines: list[int]) -> None:
    rows = "".join("g, role:{}, role:{}, acme, _, _\n".format(*link.split()) for link in links)
    found = refused(RULE + rows)

    assert [int(one.split("line ")[1].split(",")[0]) for one in found] == lines
    assert all("closes a circle of roles" in one for one in found)
