"""Policies of a few lines over a schema with every type, and one asker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from acl.decision import Decision, Permitted
from acl.errors import PolicyError, Refusal
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import RoleMatching, Row
from acl.policy.compiler import compile_request
from acl.policy.policy import Policy, load
from acl.predicate import holds

AT: Final = datetime(2026, 5, 1, tzinfo=UTC)
ALLOW: Final = "some(where (p.eft == allow))"
BOTH: Final = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
PRIORITY: Final = "priority(p.eft) || deny"

SCHEMA: Final = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
level = { type = "integer" }
open = { type = "boolean" }
tags = { type = "keyword_set" }
place = { type = "path" }
item = { type = "path", prefixes = "character" }
owner = { type = "keyword", required = false }
weight = { type = "integer", required = false }
expires = { type = "datetime", required = false }
"""
)

ADA: Final[Mapping[str, Any]] = {"sub": {"name": "ada", "level": 2}, "act": "read"}
ROW: Final = ("p", "ada", "x", "read")


def model(
    matcher: str = "r.obj.open",
    *,
    columns: str = "sub, val, act",
    effect: str = ALLOW,
    roles: str = "",
    request: str = "sub, obj, item, act",
) -> str:
    """Return the text of a `model.conf`."""
    links = f"[role_definition]\n{roles}\n" if roles else ""
    return (
        f"[request_definition]\nr = {request}\n[policy_definition]\np = {columns}\n{links}"
        f"[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )


def policy(
    matcher: str,
    *rows: tuple[str, ...],
    matching: Mapping[str, RoleMatching] | None = None,
    **parts: str,
) -> Policy:
    """Return a policy; each row is its kind and its columns."""
    numbered = [Row(number, row[0], row[1:]) for number, row in enumerate(rows or (ROW,), 1)]
    return load(model(matcher, **parts), numbered, SCHEMA, matching=matching)


def refusals(matcher: str, *rows: tuple[str, ...], **parts: Any) -> tuple[Refusal, ...]:
    """Return why a policy is refused; nothing if it is not."""
    try:
        policy(matcher, *rows, **parts)
    except PolicyError as error:
        return error.refusals
    return ()


def refused(matcher: str, *rows: tuple[str, ...], **parts: Any) -> str:
    """Return the first refusal of a policy, as a person would read it."""
    return str(next(iter(refusals(matcher, *rows, **parts)), "not refused"))


def label(**changed: object) -> Label:
    """Return a label; an attribute that is set to nothing is missing."""
    raw = {
        "tenant": "acme",
        "level": 1,
        "open": True,
        "tags": ["x"],
        "place": "/a/b",
        "item": "/i",
        "owner": "ada",
        "weight": 5,
        "expires": 0,
    }
    return SCHEMA.parse({**raw, **changed})


def decided(made: Policy, asked: Mapping[str, Any] = ADA, at: datetime = AT) -> Decision:
    """Return the compiled decision."""
    return compile_request(made, asked, at)


def allows(made: Policy, one: Label, asked: Mapping[str, Any] = ADA) -> bool:
    """Return the compiled answer, after checking that Casbin gives the same."""
    decision = decided(made, asked)
    got = isinstance(decision, Permitted) and holds(decision.predicate, one)
    assert got == _enforced(made, one, asked), (got, decision)
    return got


def _enforced(made: Policy, one: Label, asked: Mapping[str, Any]) -> bool:
    record = one.as_json()
    columns = {**asked, "item": record.pop("item"), "obj": record}
    oracle = made.oracle(AT)
    try:
        return oracle.enforce(*(columns[name] for name in made.names.request[1]))
    except Exception:  # noqa: BLE001 - whatever Casbin raises, nothing may be returned
        return False
