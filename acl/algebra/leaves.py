r"""From a term whose operands are known values to the leaf that means the same on labels.

The laws of this file:

1. Python's comparison decides, because Casbin's does. A text never equals a number, `True` equals
   1, and comparing a text with `<` raises.
2. What has no leaf is refused, never approximated.
3. A path pattern means what pycasbin 2.8 makes of it; property tests pin each line:

   - `keyMatch(path, pattern)` is "begins with the text before the first `*`".
   - `keyMatch2`, `keyMatch3`, `keyMatch4` become a regular expression: `/*` matches anything to the
     end, a segment `:name` (2) or `{name}` (3, 4) matches one non-empty segment, and every other
     character with a meaning in regular expressions keeps it; those are refused here.
   - `keyMatch5` is `keyMatch3` on the path before its first `?`, which literals before `/*` do not
     notice.
   - `globMatch` without `?`, `[`, `{`, `\` or `**`: a `*` is one visible segment, or at the very
     end the rest of one, and a path may end in one more `/`.

   A path has no empty segment inside and no control character (law of `acl.labels`). Without that,
   `$` before a final line break and doubled slashes would make more paths match.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, assert_never

from acl.algebra.outcome import RAISES, TRUE, Outcome, of_leaf
from acl.labels import MAX_INTEGER, Attribute, AttributeType, Prefixes
from acl.language.casbin_adapter import PatternedRoleGraph, RoleGraph
from acl.language.expression import ExpressionError
from acl.language.terms import (
    Among,
    Compare,
    Contains,
    Covers,
    Matches,
    Overlaps,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Sized,
    There,
    Touching,
    Within,
)
from acl.predicate import (
    Absent,
    AnyOf,
    AtMost,
    MoreThan,
    Present,
    Scalar,
    Segment,
    Shape,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
)

# A brace is itself, unless it spells a repetition such as `{2,3}`.
_META: Final = re.compile(r"[.^$*+?\[\]\\|()]|\{(?:\d+(?:,\d*)?|,\d*)\}")
_GLOB_META: Final = re.compile(r"[?\[\]{}\\|]|\*\*")


def matches(function: str, attribute: Attribute, pattern: str) -> Outcome:
    """Return where `function(<attribute>, pattern)` is true and where it is false.

    Raises:
        ExpressionError: the pattern has no form in the filter.
    """
    match function:
        case "keyMatch":
            return _key_match(attribute, pattern)
        case "keyMatch2":
            return _key_match_segments(attribute, pattern, _colon, function)
        case "keyMatch3":
            return _key_match_segments(attribute, pattern, _braces, function)
        case "keyMatch4":
            names = re.findall(r"{([^/]+)}", pattern)
            if len(set(names)) != len(names):
                raise ExpressionError(function, f"`{pattern}` names one segment twice")
            return _key_match_segments(attribute, pattern, _braces, function)
        case "keyMatch5":
            return _key_match_address(attribute, pattern)
        case "globMatch":
            return _glob(attribute, pattern)
        case _:
            raise ExpressionError(function, "has no form in the filter")


def exactly(attribute: Attribute, text: str) -> Outcome:
    """Return where the attribute is `text`."""
    return of_leaf(AnyOf(attribute.name, frozenset({text})), attribute)


def present(attribute: Attribute) -> Outcome:
    """Return "true wherever the attribute is present"."""
    return of_leaf(Present(attribute.name), attribute)


def _key_match(attribute: Attribute, pattern: str) -> Outcome:
    prefix, star, _ = pattern.partition("*")
    if not star:
        return exactly(attribute, pattern)
    if not prefix:
        return present(attribute)
    return _under(attribute, prefix, "keyMatch", pattern)


def _under(attribute: Attribute, prefix: str, function: str, pattern: str) -> Outcome:
    _require_path(attribute, function)
    if attribute.prefixes is Prefixes.SEGMENT and not prefix.endswith("/"):
        raise ExpressionError(
            function,
            f"the star of `{pattern}` does not follow a `/`; declare "
            f'`prefixes = "character"` for `{attribute.name}` or end the prefix at a segment',
        )
    return of_leaf(Under(attribute.name, frozenset({prefix})), attribute)


def _key_match_segments(
    attribute: Attribute, pattern: str, wildcard: re.Pattern[str], function: str
) -> Outcome:
    if function == "keyMatch2" and pattern == "*":
        return present(attribute)
    *head, last = pattern.split("/")
    tail = bool(head) and last == "*"
    parts = head if tail else [*head, last]
    segments = tuple(
        Wildcard.SOME if wildcard.fullmatch(part) else _literal(part, pattern, function)
        for part in parts
    )
    if all(isinstance(segment, str) for segment in segments):
        text = "/".join(map(str, segments))
        return (
            _under(attribute, f"{text}/", function, pattern) if tail else exactly(attribute, text)
        )
    _require_path(attribute, function)
    return of_leaf(Shaped(attribute.name, Shape(segments, tail)), attribute)


def _key_match_address(attribute: Attribute, pattern: str) -> Outcome:
    """`keyMatch5` cuts a path at its first `?`, which a literal beginning does not notice."""
    *head, last = pattern.split("/")
    if any(map(_braces.search, pattern.split("/"))):
        reason = f"cuts paths at `?`, so `{pattern}` has no filter form; write keyMatch3"
        raise ExpressionError("keyMatch5", reason)
    if head and last == "*":
        return _key_match_segments(attribute, pattern, _braces, "keyMatch5")
    text = _literal(pattern, pattern, "keyMatch5")
    return exactly(attribute, text).otherwise(_under(attribute, f"{text}?", "keyMatch5", pattern))


_colon: Final = re.compile(r":[^/]+")
_braces: Final = re.compile(r"{[^/{}]+}")


def _literal(part: str, pattern: str, function: str) -> str:
    sign = _META.search(part)
    if sign:
        raise ExpressionError(
            function, f"`{sign.group()}` in `{pattern}` is read as a regular expression"
        )
    inside = re.search(r":[^/]" if function == "keyMatch2" else r"[{}]", part)
    if inside:
        raise ExpressionError(function, f"`{part}` in `{pattern}` is a wildcard inside a segment")
    return part


def _glob(attribute: Attribute, pattern: str) -> Outcome:
    while pattern.startswith("*/"):
        pattern = pattern[1:]
    sign = _GLOB_META.search(pattern)
    if sign:
        raise ExpressionError("globMatch", f"`{sign.group()}` in `{pattern}` has no filter form")
    parts = pattern.split("/")
    if "" in parts[1:] or pattern == "":
        raise ExpressionError("globMatch", f"`{pattern}` is empty or has an empty segment")
    if any("*" in part and part != "*" for part in parts):
        return _glob_prefix(attribute, pattern)
    _require_path(attribute, "globMatch")
    wanted = tuple(Wildcard.VISIBLE if part == "*" else part for part in parts)
    return of_leaf(Shaped(attribute.name, Shape(wanted)), attribute).otherwise(
        of_leaf(Shaped(attribute.name, Shape((*wanted, ""))), attribute)
    )


def _glob_prefix(attribute: Attribute, pattern: str) -> Outcome:
    """Where the last segment begins with what stands before a star at the end."""
    prefix, _, rest = pattern.partition("*")
    if rest:
        raise ExpressionError("globMatch", f"a star inside a segment of `{pattern}`")
    wanted: tuple[Segment, ...] = (*prefix.split("/")[:-1], Wildcard.SOME)
    of_depth = of_leaf(Shaped(attribute.name, Shape(wanted)), attribute).otherwise(
        of_leaf(Shaped(attribute.name, Shape((*wanted, ""))), attribute)
    )
    return _under(attribute, prefix, "globMatch", pattern).then(of_depth)


def _require_path(attribute: Attribute, function: str) -> None:
    if attribute.type is not AttributeType.PATH:
        raise ExpressionError(function, f"`{attribute.name}` is not declared as a path")


def outcome_of(
    term: Touching, values: Sequence[object], graphs: Mapping[str, RoleGraph], at: datetime
) -> Outcome:
    """Return where a term that reads a label is true and where it is false.

    Args:
        term: the term.
        values: its operands, evaluated.
        graphs: the role definitions.
        at: the moment for which time-limited links are decided.

    Raises:
        ExpressionError: for these values there is no filter form.
    """
    value = values[0]
    match term:
        case Compare(attribute, operator, _):
            return _compared(attribute, operator, value)
        case Among(attribute, _):
            return _among(attribute, value)
        case Contains(attribute, _):
            return _overlapping(attribute, [value])
        case Overlaps(attribute, _):
            return _overlaps(attribute, value)
        case Within(attribute, _):
            return _within(attribute, value)
        case Covers(attribute, _):
            return _covers(attribute, value)
        case There(attribute, _):
            return _there(attribute) if value else ~_there(attribute)
        case Sized(attribute, operator, _):
            return _sized(attribute, operator, value)
        case Matches(attribute, function, _):
            return matches(function, attribute, value) if isinstance(value, str) else RAISES
        case ResourceRole(attribute, graph, _, _):
            return _resource_role(attribute, graphs[graph], values, at)
        case ResourceHolder(attribute, graph, _, _):
            return _resource_holder(attribute, graphs[graph], values, at)
        case RoleInDomain(attribute, graph, _, _):
            return _role_in_domain(attribute, graphs[graph], values, at)
        case _:
            assert_never(term)


def _never(attribute: Attribute) -> Outcome:
    """False wherever the attribute is present."""
    return ~present(attribute)


def _compared(attribute: Attribute, operator: str, value: object) -> Outcome:
    match operator:
        case "==":
            return _equal(attribute, [value])
        case "!=":
            return ~_equal(attribute, [value])
        case _ if not isinstance(value, int | float):
            return RAISES
        case "<=":
            return _at_most(attribute, value)
        case ">":
            return ~_at_most(attribute, value)
        case "<":
            return _less_than(attribute, value)
        case ">=":
            return ~_less_than(attribute, value)
        case _:
            raise ExpressionError(operator, "has no form in the filter")  # law 2


def _equal(attribute: Attribute, values: Sequence[object]) -> Outcome:
    """Where the attribute equals one of `values`, as Python compares them."""
    accepted = {scalar for value in values if (scalar := _same_kind(attribute, value)) is not None}
    if not accepted:
        return _never(attribute)
    return of_leaf(AnyOf(attribute.name, frozenset(accepted)), attribute)


def _same_kind(attribute: Attribute, value: object) -> Scalar | None:
    """Return `value` as a value that the attribute can equal, or nothing."""
    match attribute.type:
        case AttributeType.KEYWORD | AttributeType.PATH:
            return value if isinstance(value, str) else None  # law 1
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return _whole(value)
        case AttributeType.BOOLEAN:
            return _whole(value) if value in (0, 1) else None
        case AttributeType.KEYWORD_SET:
            return None
        case _:
            assert_never(attribute.type)


def _whole(value: object) -> int | None:
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    return int(value) if isinstance(value, int) and abs(value) <= MAX_INTEGER else None


def _at_most(attribute: Attribute, value: float) -> Outcome:
    return of_leaf(AtMost(attribute.name, _floor(value)), attribute)


def _less_than(attribute: Attribute, value: float) -> Outcome:
    return of_leaf(AtMost(attribute.name, -_floor(-value) - 1), attribute)


def _floor(value: float) -> int:
    if value != value:  # noqa: PLR0124 - true of NaN alone
        # Every comparison with it is false, so the opposite comparison would be no negation.
        raise ExpressionError("<", "the operand is not a number")
    return math.floor(max(-_BEYOND, min(_BEYOND, value)))


_BEYOND: Final = MAX_INTEGER + 1
"""Beyond every label, and still exact as a double."""


def _among(attribute: Attribute, value: object) -> Outcome:
    if isinstance(value, str):
        raise ExpressionError("in", "the operand is a text, so this is a substring test")
    return _equal(attribute, list(value)) if isinstance(value, _COLLECTION) else RAISES


# `in` over a record looks among its keys, as Python does.
_COLLECTION: Final = (list, tuple, set, frozenset, dict)


def _overlaps(attribute: Attribute, value: object) -> Outcome:
    members = _members(value)
    return RAISES if members is None else _overlapping(attribute, members)


def _overlapping(attribute: Attribute, members: Collection[object]) -> Outcome:
    texts = frozenset(member for member in members if isinstance(member, str))
    return of_leaf(AnyOf(attribute.name, texts), attribute) if texts else _never(attribute)


def _within(attribute: Attribute, value: object) -> Outcome:
    members = _members(value)
    if members is None:
        return RAISES
    texts = frozenset(member for member in members if isinstance(member, str))
    return of_leaf(SubsetOf(attribute.name, texts), attribute)


def _there(attribute: Attribute) -> Outcome:
    """Where the attribute is there; it raises for no label."""
    return TRUE if attribute.required else Outcome(Present(attribute.name), Absent(attribute.name))


def _sized(attribute: Attribute, operator: str, value: object) -> Outcome:
    """Where the set has as many elements as an operator asks for."""
    if operator not in {"==", "!="}:
        return _compared(attribute, operator, value)
    whole = _whole(value)
    if whole is None:
        equal = _never(attribute)
    else:
        more = of_leaf(MoreThan(attribute.name, whole - 1), attribute)
        equal = of_leaf(AtMost(attribute.name, whole), attribute).then(more)
    return equal if operator == "==" else ~equal


def _covers(attribute: Attribute, value: object) -> Outcome:
    """Where the attribute's set holds every member of `value`."""
    members = _members(value)
    if members is None:
        return RAISES
    outcome = present(attribute)
    for member in sorted(members, key=repr):
        outcome = outcome.then(_overlapping(attribute, [member]))
    return outcome


def _members(value: object) -> frozenset[object] | None:
    """Return what a set function sees in `value`, or nothing where it raises."""
    if not isinstance(value, _COLLECTION):
        return None
    try:
        return frozenset(value)
    except TypeError:  # It holds a list or a record, which no set can hold.
        return None


def _names(values: Sequence[object]) -> tuple[str, str]:
    """Return the known name and the domain, which a role definition turns into text."""
    name = values[0]
    if not isinstance(name, str):
        raise ExpressionError("g", "the name of a role is not a text")
    return name, str(values[1]) if len(values) > 1 else ""


def _resource_role(
    attribute: Attribute, graph: RoleGraph, values: Sequence[object], at: datetime
) -> Outcome:
    """Where the resource has a role: names of the graph that reach it, and their patterns."""
    role, domain = _names(values)
    names = set(graph.names(domain))
    reaching = {name for name in names if graph.has_link(name, role, domain, at)}
    outcome = _equal(attribute, [*reaching, role])
    if isinstance(graph, PatternedRoleGraph) and graph.match:
        if role in names and graph.circles(role, domain):
            raise ExpressionError("g", f"the role `{role}` leads back to itself through a pattern")
        missing = names - reaching - {role}
        for pattern in sorted(reaching - {role}):
            matching = _matching(attribute, graph, pattern, missing)
            outcome = outcome.otherwise(matching)
    return outcome


def _matching(
    attribute: Attribute, graph: PatternedRoleGraph, pattern: str, missing: set[str]
) -> Outcome:
    """Where the resource is matched by `pattern`, a name in the graph.

    A name that the graph itself mentions was asked about already; if the pattern matches one that
    does not reach the role, that answer stands.
    """
    matching = matches(graph.match or "", attribute, pattern)
    known = [name for name in missing if graph.match_function(name, pattern)]
    return matching.then(~_equal(attribute, known)) if known else matching


def _resource_holder(
    attribute: Attribute, graph: RoleGraph, values: Sequence[object], at: datetime
) -> Outcome:
    """Where the resource is a role that the known name has."""
    name, domain = _names(values)
    if isinstance(graph, PatternedRoleGraph):
        raise ExpressionError("g", "with matching functions the resource may stand only first")
    roles = {role for role in graph.names(domain) if graph.has_link(name, role, domain, at)}
    return _equal(attribute, [*roles, name])


def _role_in_domain(
    attribute: Attribute, graph: RoleGraph, values: Sequence[object], at: datetime
) -> Outcome:
    """Where the resource names a domain in which the known name has the known role."""
    name, role = values
    if not isinstance(name, str) or not isinstance(role, str):
        raise ExpressionError("g", "the name of a role is not a text")
    if name == role:
        return present(attribute)
    if isinstance(graph, PatternedRoleGraph):
        raise ExpressionError("g", "with matching functions the resource cannot be the domain")
    domains = [domain for domain in graph.domains() if graph.has_link(name, role, domain, at)]
    return _equal(attribute, domains)
