"""Admission: what Casbin would swallow in silence, refused before a policy can take effect.

The compiler means exactly what Casbin means. This door is stricter, because Casbin accepts rows
that say something else than their author meant. The laws of this file:

1. A text that Casbin compares with nothing is refused: a misspelt effect makes a deny vanish, an
   empty column equals an empty request, an action that does not exist is never asked for.
2. The order of lines decides nothing: no two rules that can match one request have the same
   priority and different effects.
3. A condition that fails or raises for every asker is refused: every request that comes to its
   row would fail.
4. A link that stands more hops above its first name than Casbin follows gives that name nothing,
   without a word. It is refused by its row, even where a shorter way exists.
5. Roles that lead back to themselves are one role under several names. Each link of such a circle
   is refused.
6. A part of the request has the attributes that every asker has or that `labels.toml` declares; a
   rule that asks for another is refused where it stands.
7. A value that matches nothing that its column is compared with is refused where it could do harm
   (`acl.admission.row_values`).
8. A row that denies and that no label can meet is refused (`acl.admission.impossible`).
9. Without a rule the matcher decides alone, once; so it may read no column of rules.

Links count in their own domain, and windows are left aside: a chain is too long as it is written.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from acl.actions import Action
from acl.admission.columns import Columns
from acl.admission.impossible import LOOKED_AT, NO_LABEL, Impossible
from acl.admission.origin_values import origin_faults
from acl.admission.row_values import ROLE_COLUMNS, RowValues, line_of
from acl.admission.value_types import ill_typed
from acl.algebra.partial import evaluated
from acl.errors import PolicyError, Refusal
from acl.labels import SUBJECT_ATTRIBUTES, normalise
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import attributes_read, bare_names, parse
from acl.language.model_file import MODEL_FILE
from acl.language.roles import HOPS, HOPS_TIMED
from acl.language.rules_file import POLICY_FILE, read_rows
from acl.language.terms import Known, Rule, walk
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, check_columns
from acl.policy.moment import MOMENT_ATTRIBUTES, MOMENT_COLUMNS
from acl.policy.names import Meanings
from acl.policy.policy import Policy

EFFECTS: Final = ("allow", "deny")
NO_ACTION: Final = "is not an action"
read_csv: Final = read_rows


def admit(policy: Policy) -> None:
    """Refuse what would take effect in another way than it reads.

    Raises:
        PolicyError: with every line, its column and the reason.
    """
    typed = list(ill_typed(policy))
    places = {(refusal.where, refusal.column) for refusal in typed}
    refusals = [
        *_table(policy),
        *_rows(policy),
        *_subject(policy),
        *_actions(policy),
        *typed,
        *origin_faults(policy),
        *(one for one in _constants(policy) if (one.where, one.column) not in places),
        *_chains(policy),
    ]
    told = {(one.where, one.column) for one in refusals}
    faults = (one.refusal for one in RowValues(policy).faults() if one.severe)  # law 7
    refusals += [one for one in faults if (one.where, one.column) not in told]
    _stop_at(refusals)
    check_columns(policy)
    _stop_at(_denying_nothing(policy))  # law 8


def _stop_at(refusals: Iterable[Refusal]) -> None:
    if found := tuple(refusals):
        raise PolicyError(found)


def _denying_nothing(policy: Policy) -> Iterator[Refusal]:
    denying = [row for row in policy.rules if policy.effect_of(row) == "deny"]
    impossible = Impossible(policy, Columns(policy))
    for row in denying[:LOOKED_AT]:
        if impossible.for_labels(row):
            yield Refusal(
                line_of(row), ", ".join(row.values)[:120], f"{NO_LABEL}: it denies nothing"
            )


def _table(policy: Policy) -> Iterator[Refusal]:
    read = sorted(policy.bare & set(policy.columns))
    if not policy.rules and read:
        spelt = ", ".join(f"`{one.replace('_', '.', 1)}`" for one in read)
        reason = f"has no rule, but the matcher reads {spelt}; Casbin would take that as empty"
        yield Refusal(POLICY_FILE, "p", reason)  # law 9
    seen: dict[tuple[str, tuple[str, ...]], int] = {}
    for row in policy.rows:
        first = seen.setdefault((row.kind, row.values), row.number)
        if first != row.number:
            yield Refusal(line_of(row), row.kind, f"repeats line {first}")
    yield from _priorities(policy)


def _priorities(policy: Policy) -> Iterator[Refusal]:
    column = f"p{policy.suffix}_priority"
    if policy.effect is not Effect.PRIORITY or column not in policy.columns:
        return
    apart = _compared_whole(policy)
    seen: dict[tuple[str, ...], Row] = {}
    for row in policy.rules:
        named = policy.named(row)
        priority = named[column]
        if not (priority.isascii() and priority.isdigit()):
            yield Refusal(line_of(row), priority, "is not a whole number", "priority")
        first = seen.setdefault((priority, *(named[one] for one in apart)), row)
        if policy.effect_of(first) != policy.effect_of(row):
            reason = f"ties with line {first.number}, so the order of lines would decide"  # law 2
            yield Refusal(line_of(row), priority, reason, "priority")


def _compared_whole(policy: Policy) -> tuple[str, ...]:
    """Return the columns that the matcher demands to be equal to something else than a column.

    Rows that differ in one of them never match the same request.
    """
    found: list[str] = []
    for text, _ in policy.conjuncts:
        match parse(text):
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                read = [bare_names(one) & set(policy.columns) for one in (left, right)]
                if not all(read):
                    found += [one.id for one in (left, right) if isinstance(one, ast.Name)]
            case _:
                pass
    return tuple(one for one in policy.columns if one in found)


def _rows(policy: Policy) -> Iterator[Refusal]:
    for row in policy.rows:
        names = _column_names(policy, row)
        for name, value in zip(names, row.values, strict=True):
            try:
                normalised = normalise(value)
            except ValueError as error:
                yield Refusal(line_of(row), value[:40], str(error), name)
                continue
            if normalised != value:
                yield Refusal(line_of(row), value[:40], "is not in normal form (NFC)", name)
            if name == "eft" and value not in EFFECTS:
                # law 1
                yield Refusal(line_of(row), value[:40], "is neither `allow` nor `deny`", name)


def _column_names(policy: Policy, row: Row) -> Sequence[str]:
    defined = policy.model.policies.get(row.kind)
    return defined if defined is not None else ROLE_COLUMNS[: len(row.values)]


def _subject(policy: Policy) -> Iterator[Refusal]:
    """An attribute that no subject has would raise, and so deny everything to everyone."""
    trees = [(where, column, parse(text)) for where, column, text in _expressions(policy)]
    read = {record for *_, tree in trees for record, _ in attributes_read(tree)}
    subjects = {one for one in read if one.partition("_")[2] in SUBJECT_COLUMNS}
    for where, column, tree in trees:
        for record, name in sorted(attributes_read(tree)):
            if record in policy.names.known and (reason := _unknown(policy, record, name)):
                yield Refusal(
                    where, f"{record.replace('_', '.', 1)}.{name}", reason, column
                )  # law 6
        moments = {f"{policy.names.request[0]}_{one}" for one in MOMENT_COLUMNS}
        for record in sorted(bare_names(tree) & moments):
            spelt = record.replace("_", ".", 1)
            yield Refusal(where, spelt, f"is read by its parts, such as `{spelt}.hour`", column)
        for record in sorted(bare_names(tree) & subjects & policy.names.known):
            spelt = record.replace("_", ".", 1)
            reason = f"stands by itself, and elsewhere with attributes; write `{spelt}.id`"
            yield Refusal(where, spelt, reason, column)


def _expressions(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Yield the matcher and each condition of a row: its place, its column, its text."""
    yield MODEL_FILE, "", policy.model.matchers[f"m{policy.suffix}"]
    columns = sorted({rule.column for rule in walk(policy.term) if isinstance(rule, Rule)})
    for row in policy.rules:
        named = policy.named(row)
        yield from ((line_of(row), one.partition("_")[2], named[one]) for one in columns)


def _unknown(policy: Policy, record: str, name: str) -> str:
    """Return why a part of the request has no attribute of this name, or nothing."""
    column = record.partition("_")[2]
    if column in MOMENT_COLUMNS:
        there = ", ".join(MOMENT_ATTRIBUTES)
        return "" if name in MOMENT_ATTRIBUTES else f"of a request's `env` there is {there}"
    if column not in SUBJECT_COLUMNS:
        return "is no attribute: this part of a request is a text"
    declared = sorted(policy.schema.subject)
    if name in {*SUBJECT_ATTRIBUTES, *declared}:
        return ""
    known = ", ".join((*SUBJECT_ATTRIBUTES, *declared))
    return f"a subject has only {known}; others are declared in labels.toml under [subject.{name}]"


def _actions(policy: Policy) -> Iterator[Refusal]:
    """A rule for an action that does not exist matches no request; a deny would deny nothing."""
    meanings = Meanings(policy)
    for place, column in enumerate(policy.names.policy[1]):
        if column not in ACTION_COLUMNS:
            continue
        for row in policy.rules:
            if not meanings.known(row):
                value = row.values[place][:40]
                yield Refusal(line_of(row), value, NO_ACTION + _nearest(value), column)  # law 1


def _nearest(value: str) -> str:
    """Return the action that `value` may mean, or all of them."""
    actions = [str(action) for action in Action]
    ends = [one for one in actions if one.endswith(f":{value.lower()}")]
    ends.sort(key=lambda action: not action.startswith("document:"))
    near = ends or get_close_matches(value.lower(), actions, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; there is {', '.join(actions)}"


def _constants(policy: Policy) -> Iterator[Refusal]:
    """A condition that fails for every asker makes every request fail that comes to its row."""
    columns = sorted({rule.column for rule in walk(policy.term) if isinstance(rule, Rule)})
    for row in policy.rules:
        named = policy.named(row)
        for column in columns:
            for part in walk(policy.rule_terms[named[column]]):
                if isinstance(part, Known) and (reason := _constant(part, named)):
                    name = column.partition("_")[2]
                    yield Refusal(line_of(row), named[column][:40], reason, name)  # law 3


def _constant(part: Known, named: Mapping[str, str]) -> str:
    """Return what is wrong with a part that the row alone decides, or nothing."""
    match evaluated(part, named):
        case None | [bool()]:
            return ""
        case []:
            return "holds a part that raises for every request"
        case _:
            return "holds a part that is neither true nor false for any request"


def _chains(policy: Policy) -> Iterator[Refusal]:
    """Refuse the links of circles and those at which a chain becomes too long, by line."""
    broken: list[tuple[Row, str]] = []
    for kind, definition in policy.model.roles.items():
        domains: dict[str, list[Row]] = defaultdict(list)
        for row in policy.rows:
            if row.kind == kind:
                domain = row.values[2] if definition.arity > 2 else ""  # noqa: PLR2004 - a domain
                domains[domain].append(row)
        hops = HOPS_TIMED if definition.timed else HOPS
        for rows in domains.values():
            broken += _broken(rows, hops)
    for row, reason in sorted(broken, key=lambda link: link[0].number):
        yield Refusal(line_of(row), row.values[1][:40], reason, ROLE_COLUMNS[1])


def _broken(rows: Sequence[Row], hops: int) -> Iterator[tuple[Row, str]]:
    heights, left = _heights(rows)
    for row in _circles(left):
        yield row, "closes a circle of roles"  # law 5
    for row in rows:
        if heights.get(row.values[0]) == hops:
            yield row, f"is hop {hops + 1} of a chain; Casbin follows {hops}"  # law 4


def _heights(rows: Iterable[Row]) -> tuple[dict[str, int], list[Row]]:
    """Return how many hops lead up to each name, and the links for which that has no answer."""
    above: dict[str, list[Row]] = defaultdict(list)
    waiting: Counter[str] = Counter()
    for row in rows:
        above[row.values[0]].append(row)
        waiting[row.values[1]] += 1
    ready = [name for name in above if not waiting[name]]
    heights = dict.fromkeys(ready, 0)
    while ready:
        name = ready.pop()
        for row in above.pop(name, ()):
            role = row.values[1]
            heights[role] = max(heights.get(role, 0), heights[name] + 1)
            waiting[role] -= 1
            if not waiting[role]:
                ready.append(role)
    # What a circle leads to has no height either: it waits for ever, and is left out.
    settled = {name: height for name, height in heights.items() if not waiting[name]}
    return settled, [row for rest in above.values() for row in rest]


def _circles(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the links that lead on to others of `rows` without an end."""
    while True:
        names = {row.values[0] for row in rows}
        kept = [row for row in rows if row.values[1] in names]
        if len(kept) == len(rows):
            return kept
        rows = kept
