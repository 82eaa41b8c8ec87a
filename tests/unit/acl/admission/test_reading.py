"""What stands in the files and nothing reads is refused by its line."""

from __future__ import annotations

import pytest

from acl.errors import PolicyError
from tests.unit.acl.default_policy import MODEL, policy

RULE = "p, group:everyone, *, /*, document:read, True, allow\n"
LINKED = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, path, act, eft
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = {effect}
[matchers]
m = {sub} && r.act == p.act && keyMatch(r.obj.path, p.path)
"""
ALLOW = "some(where (p.eft == allow))"
LINKS = "p, role:x, /*, document:read, allow\ng, user:ada, role:x\n"


def refused(rows: str, model: str = MODEL) -> list[str]:
    with pytest.raises(PolicyError) as error:
        policy(rows, model)
    return [str(one) for one in error.value.refusals]


def linked(sub: str, effect: str = ALLOW, extra: str = "") -> str:
    return LINKED.format(sub=sub, effect=effect).replace("g2 = _, _\n", extra)


def test_rows_that_no_definition_in_use_reads_are_refused() -> None:
    model = MODEL.replace("[role_definition]", "p2 = sub\n\n[role_definition]")

    assert refused(f"{RULE}p2, user:ada\n", model) == [
        "model.conf line 11: `p2`: decides nothing: only `p` is in use",
        "policy.csv line 2: `p2`: no definition in use reads this row; use `p`",
    ]


def test_links_that_nothing_asks_about_are_refused_by_row() -> None:
    model = linked("g(r.sub.id, p.sub)", extra="g2 = _, _\n")

    assert refused(f"{LINKS}g2, /a, /b\ng2, /c, /b\n", model) == [
        f"policy.csv line {line}: `g2`: neither the matcher nor a rule calls `g2`,"
        " so it would do nothing"
        for line in (3, 4)
    ]


def test_a_role_definition_without_links_is_refused_by_its_line() -> None:
    (found,) = refused(LINKS, linked("g(r.sub.id, p.sub)", extra="g2 = _, _\n"))

    assert found.startswith("model.conf line 8: `g2`: neither")


@pytest.mark.parametrize("sub", ["p.sub in r.sub.groups", "p.sub in r.sub.principals"])
def test_roles_that_fill_the_groups_of_a_subject_are_in_use(sub: str) -> None:
    assert policy(LINKS, linked(sub)).rules


def test_roles_that_order_subjects_are_in_use() -> None:
    ordered = linked("r.sub == p.sub", "subjectPriority(p.eft) || deny")
    links = LINKS.replace("p, role:x", "p, user:ada")

    assert policy(links, ordered).rules
    assert "`g`" in refused(links, linked("r.sub == p.sub"))[0]
