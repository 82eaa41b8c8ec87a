r"""Casbin's path functions on a resource: each pattern as a condition, or refused by name.

What each function means was read from pycasbin 2.8 and is pinned by property tests against it:

- `keyMatch(path, pattern)` is "begins with the text before the first `*`".
- `keyMatch2`, `keyMatch3`, `keyMatch4` become a regular expression: `/*` matches anything to the
  end, a segment `:name` (2) or `{name}` (3, 4) matches one non-empty segment, and every other
  character with a meaning in regular expressions keeps it; those are refused here.
- `globMatch` without `?`, `[`, `{`, `\` or `**`: a `*` is one visible segment, and a path may end
  in one more `/`.

A path has no empty segment inside and no control character (law of `acl.labels`); without that,
`$` before a final line break and doubled slashes would make more paths match.
"""

from __future__ import annotations

import re
from typing import Final

from acl.algebra.outcome import Outcome, of_leaf
from acl.labels import Attribute, AttributeType, Prefixes
from acl.language.expression import ExpressionError
from acl.predicate import (
    AnyOf,
    Present,
    Shape,
    Shaped,
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
        raise ExpressionError("globMatch", f"a star inside a segment of `{pattern}`")
    _require_path(attribute, "globMatch")
    wanted = tuple(Wildcard.VISIBLE if part == "*" else part for part in parts)
    return of_leaf(Shaped(attribute.name, Shape(wanted)), attribute).otherwise(
        of_leaf(Shaped(attribute.name, Shape((*wanted, ""))), attribute)
    )


def _require_path(attribute: Attribute, function: str) -> None:
    if attribute.type is not AttributeType.PATH:
        raise ExpressionError(function, f"`{attribute.name}` is not declared as a path")
