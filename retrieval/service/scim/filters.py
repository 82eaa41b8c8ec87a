"""What the records can look up of a SCIM filter.

The law of this file: what is returned holds for every entry that the filter matches. It may hold
for others too; the filter itself decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scim2_models.path.expressions import (
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    ValuePath,
)

from acl.errors import IdentityError
from acl.records.directory.types import Wanted
from acl.subject import PrincipalKind, identity_of


def narrowed(kind: PrincipalKind, node: FilterNode) -> Wanted | None:
    """Return what each entry has that the filter matches, or `None` if it can match none."""
    terms: tuple[FilterNode, ...] = (node,)
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        terms = node.terms
    wanted = Wanted()
    for term in terms:
        # The last of two terms on one attribute is as good as the first: both must hold.
        following = _by(kind, wanted, term)
        if following is None:
            return None
        wanted = following
    return wanted


def texts(node: FilterNode) -> Iterator[str]:
    """Yield every text that a filter compares with."""
    match node:
        case Comparison(value=str() as text):
            yield text
        case Not(expr=inner) | ValuePath(val_filter=inner):
            yield from texts(inner)
        case LogicalExpr(terms=terms):
            for one in terms:
                yield from texts(one)
        case _:
            return


def _by(kind: PrincipalKind, wanted: Wanted, node: FilterNode) -> Wanted | None:
    if not isinstance(node, Comparison) or node.op is not CompareOperator.eq:
        return wanted
    path, value = node.attr_path, node.value
    if path.uri is not None or not isinstance(value, str):
        return wanted
    named = {PrincipalKind.USER: "username", PrincipalKind.GROUP: "displayname"}[kind]
    match path.attr.lower(), (path.sub_attr or "").lower():
        case "id", "":
            return replace(wanted, id=value)
        case "externalid", "":
            return replace(wanted, external_id=value) if value else wanted
        case "members", "" | "value" if kind is PrincipalKind.GROUP:
            return replace(wanted, member=value)
        case attribute, "" if attribute == named:
            return _called(kind, wanted, value)
        case _:
            return wanted


def _called(kind: PrincipalKind, wanted: Wanted, name: str) -> Wanted | None:
    try:
        return replace(wanted, identity=identity_of(kind, name))
    except IdentityError:
        # No entry has a name that no principal has.
        return None
