"""What a subject and an agent may read together can be nothing at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from acl.decision import Denied, DenyReason, Permitted
from acl.errors import SchemaError
from acl.labels import Attribute, AttributeType, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.subject import Subject

SCHEMA = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
owner = { type = "keyword" }
state = { type = "keyword" }
level = { type = "integer" }
"""
)
AGENT = Subject(id="agent:a", tenant="acme")
ADA = Subject(id="user:ada", tenant="acme", actors=(AGENT,))


def policy(rule: str) -> Policy:
    text = (
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, rule\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = r.sub.id == p.sub && eval(p.rule)\n"
    )
    mine = "r.obj.owner == 'x' && r.obj.state == 'y'"
    return load(text, [Row(1, "p", ("user:ada", mine)), Row(2, "p", ("agent:a", rule))], SCHEMA)


def test_rights_that_exclude_each_other_are_a_denial() -> None:
    rule = "r.obj.owner != 'x' && r.obj.level < 3 || r.obj.state != 'y' && r.obj.level > 3"
    decision = decide(policy(rule), ADA, "read", datetime.now(UTC))

    assert isinstance(decision, Denied)
    assert decision.reason is DenyReason.NO_RULE


def test_rights_that_overlap_are_joined() -> None:
    decision = decide(policy("r.obj.level < 3"), ADA, "read", datetime.now(UTC))

    assert isinstance(decision, Permitted)
    assert [rule.row for rule in decision.rules] == [1, 2]


@pytest.mark.parametrize("name", ["format", "mro", "func_x", "tb_frame"])
def test_an_attribute_that_casbin_cannot_read_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="cannot be read by Casbin"):
        LabelSchema({name: Attribute(name=name, type=AttributeType.KEYWORD)})
