"""What is odd about a policy that is admitted: told to its author, and no reason to refuse it.

The laws of this file:

1. A well-formed name that refers to nothing known is told once, where it stands first, with the
   nearest known name. It may be that of somebody who comes later.
2. What is known are the names that links say, and those that the caller knows of: the directory,
   documents, tokens seen. Where the caller knows of none, a group or a person is odd only if its
   name is one letter away from another, and a role only if it is, or if the row denies.
3. So is a value of another column that is a slip of the hand away from one that stands more often,
   or earlier, in the same column.
4. A row that allows and can never apply is told. One that denies and that no label can meet is
   refused by `acl.admission.admission`; one that nobody can meet, of those who are known, is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final

from acl.admission.columns import Columns, Named, Placed, Tenanted, Use
from acl.admission.impossible import NO_LABEL, Impossible
from acl.admission.row_values import RowValues, line_of, names_in, tenants_in, used
from acl.admission.values import nearest
from acl.errors import Caution
from acl.language.casbin_adapter import Row
from acl.policy.decide import ACTION_COLUMNS
from acl.policy.names import expressed
from acl.policy.policy import Policy
from acl.subject import EVERYONE

TRIED: Final = 300
"""Rows of which it is found out whether anybody can meet them."""

NO_ASKER: Final = "nobody whom it names, and no stranger, meets all of its columns and conditions"
UNASKED: Final = "neither a rule nor another link asks for it"
SLIP: Final = "is a slip of the hand away from a value that stands before"
_LONG_ENOUGH: Final = 5
_LONGEST: Final = 200
_HINTS: Final = 20
_CLOSED: Final = ACTION_COLUMNS | {"eft", "priority"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the policy.

    Attributes:
        tenants: those of documents, people, tokens.
        principals: people, groups and roles.
        complete: whether the directory, the documents and the tokens seen were looked at.
    """

    tenants: frozenset[str] = frozenset()
    principals: frozenset[str] = frozenset()
    complete: bool = False


NOTHING_KNOWN: Final = Known()


def cautions_of(
    policy: Policy, known: Known = NOTHING_KNOWN, rows: Collection[Row] | None = None
) -> tuple[Caution, ...]:
    """Return what is odd about an admitted policy, in the order of its lines.

    Args:
        policy: the policy.
        known: what is known beside it.
        rows: those to look at, such as the rows that a proposal adds; all by default.
    """
    wanted = policy.rows if rows is None else rows
    numbers, columns = {row.number for row in wanted}, Columns(policy)
    found = [
        *_values(policy),
        *_ignored(policy, columns),
        *_unknown(policy, columns, known),
        *_misspelt(policy, columns),
    ]
    odd = {number for number, _ in found}
    found += _never(policy, columns, (row for row in wanted if row.number not in odd))
    chosen = [(number, one) for number, one in found if number in numbers or not number]
    return tuple(one for _, one in sorted(chosen, key=lambda pair: pair[0]))


_Found = tuple[int, Caution]


def _values(policy: Policy) -> Iterator[_Found]:
    for one in RowValues(policy).faults():  # Of an admitted policy none is severe.
        yield int(one.where.rpartition(" ")[2]), one.caution


def _ignored(policy: Policy, columns: Columns) -> Iterator[_Found]:
    """Yield patterns of which `keyMatch` reads less than their author wrote."""
    for row in policy.rules:
        for column, value, uses in used(policy, columns, row):
            begun, star, rest = value.partition("*")
            if star and rest and any(map(_stops_at_a_star, uses)):
                reason = f"`keyMatch` reads nothing behind the first star: it means `{begun}*`"
                yield row.number, Caution(line_of(row), value, reason, column)


def _stops_at_a_star(use: Use) -> bool:
    match use:
        case Placed(function):
            return function == "keyMatch"
        case Named(pattern=pattern) | Tenanted(pattern=pattern):
            return pattern
        case _:
            return False


def _unknown(policy: Policy, columns: Columns, known: Known) -> Iterator[_Found]:
    links = [row for row in policy.rows if row.kind in columns.askers_roles]
    yield from _unknown_tenants(policy, columns, known, links)
    yield from _unknown_names(policy, columns, known, links)


def _unknown_tenants(
    policy: Policy, columns: Columns, known: Known, links: Iterable[Row]
) -> Iterator[_Found]:
    named = list(tenants_in(policy, columns))
    numbers = {row.number for row in links}
    there = known.tenants | {value for row, _, value in named if row.number in numbers}
    rank, told = _ranks(value for _, _, value in named), set[str]()
    alike = _Alike(rank)
    for row, column, value in named:
        slip = any(rank[one] < rank[value] for one in alike.of(value))
        there_already = value in there and not known.complete and not slip
        if value in known.tenants or value in told or there_already:
            continue
        near = nearest(value, there) if len(told) < _HINTS else ""
        if there - {value} or known.complete:
            told.add(value)  # law 1
            reason = "no link, document or person that is known is of this tenant"
            yield row.number, Caution(line_of(row), value, reason, column, near)


def _unknown_names(
    policy: Policy, columns: Columns, known: Known, links: Iterable[Row]
) -> Iterator[_Found]:
    given = {row.values[1] for row in links}
    linked = given | {row.values[0] for row in links}
    named = list(names_in(policy, columns))
    rank = _ranks(value for _, _, value in named)
    alike, told = _Alike({*rank, *linked, *known.principals}), {EVERYONE}
    asked = expressed(policy).union(*(row.values for row in policy.rules))
    asked |= {row.values[0] for row in links}
    for row, column, value in named:
        there = known.principals | (given if column == "name" else linked)
        is_role = value.startswith("role:")
        if column == "role" and is_role:
            near = next((one for one in alike.of(value) if one in asked), "")
            if near and value not in asked | told:
                told.add(value)
                yield row.number, Caution(line_of(row), value, UNASKED, column, near)
            continue
        if value in told or value in there:
            continue
        others = alike.of(value)
        typed = next((one for one in others if one in there or rank[one] < rank[value]), "")
        denies = row.kind == f"p{policy.suffix}" and policy.effect_of(row) == "deny"
        if known.complete or typed or (is_role and denies):  # law 2
            told.add(value)  # law 1
            near = typed or (nearest(value, there) if len(told) < _HINTS else "")
            what = "no link gives it, and" if is_role else "it stands in no link, and"
            reason = f"{what} nobody who is known has or bears it"
            yield row.number, Caution(line_of(row), value, reason, column, near)


def _ranks(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return what sorts names that stand more often, or else earlier, before others."""
    listed = tuple(names)
    first = {name: place for place, name in reversed(list(enumerate(listed)))}
    return {name: (-count, first[name]) for name, count in Counter(listed).items()}


def _misspelt(policy: Policy, columns: Columns) -> Iterator[_Found]:
    """Yield values of other columns that are a slip of the hand away from one before (law 3)."""
    for place, column in enumerate(policy.columns):
        name = column.partition("_")[2]
        if name in _CLOSED or column in columns.rule_columns or _is_named(columns, column):
            continue
        rank, told = _ranks(row.values[place] for row in policy.rules), set[str]()
        alike = _Alike(rank)
        for row in policy.rules:
            value = row.values[place]
            near = next((one for one in alike.of(value) if rank[one] < rank[value]), "")
            if near and value not in told:
                told.add(value)
                yield row.number, Caution(line_of(row), value, SLIP, name, near)


def _is_named(columns: Columns, column: str) -> bool:
    uses = columns.uses.get(column, frozenset())
    return any(isinstance(use, Named | Tenanted) for use in uses)


class _Alike:
    """Finds texts that are one slip of the hand apart: both are the same with a letter less."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by: defaultdict[str, list[str]] = defaultdict(list)
        for text in sorted(texts):
            for less in _with_a_letter_less(text):
                self._by[less].append(text)

    def of(self, text: str) -> list[str]:
        """Return the other texts that may be meant."""
        near = {one for less in _with_a_letter_less(text) for one in self._by.get(less, ())}
        return sorted(one for one in near if one != text and _is_misspelt(text, one))


def _with_a_letter_less(text: str) -> set[str]:
    small = text[:_LONGEST].lower()
    places = (place for place, sign in enumerate(small) if not sign.isdigit())
    return {small, *(small[:place] + small[place + 1 :] for place in places)}


def _is_misspelt(value: str, other: str) -> bool:
    """Say whether exactly one segment of two values differs, by case or by a slip."""
    segments, others = value.split("/"), other.split("/")
    differing = [pair for pair in zip(segments, others, strict=False) if len(set(pair)) > 1]
    if len(segments) != len(others) or len(differing) != 1:
        return False
    (one, another), *_ = differing
    return one.lower() == another.lower() or _is_slip(one, another)


def _is_slip(one: str, other: str) -> bool:
    """Say whether two names differ by a slip of the hand.

    Numbers and last letters tell names apart that are meant to be two, such as `group:team-a`.
    """
    alike = (left == right for left, right in zip(one, other, strict=False))
    begun = sum(1 for _ in takewhile(bool, alike))
    if max(len(name.rpartition(":")[2]) for name in (one, other)) < _LONG_ENOUGH:
        return False
    rest, others = sorted((one[begun:], other[begun:]), key=len)
    if rest[:1].isdigit() or others[:1].isdigit():
        return False
    exchanged = others[1::-1] + others[2:]
    return rest in {others[1:], exchanged} or (len(rest) > 1 and rest[1:] == others[1:])


def _never(policy: Policy, columns: Columns, rows: Iterable[Row]) -> Iterator[_Found]:
    impossible = Impossible(policy, columns)
    deciding = (row for row in rows if row.kind == f"p{policy.suffix}")
    for row in islice(deciding, TRIED):
        said = ", ".join(row.values)[:120]
        if impossible.for_labels(row):
            yield row.number, Caution(line_of(row), said, NO_LABEL)
        elif impossible.for_askers(row):
            yield row.number, Caution(line_of(row), said, NO_ASKER)  # law 4
