"""The single changes that would let a subject do what they may not do with a document.

The laws of this file:

1. A change is a whole case - policy, subject and label - that differs from the one at hand in one
   thing, and in a thing that can really be done: a label that the schema admits, a row that the
   policy admits. Whether it helps is for the caller to decide again.
2. A new rule fills each column with what the matcher compares it with: the subject's id, their
   tenant, the action, the document's own attribute. Where it compares with nothing of the kind, no
   rule is guessed at.
3. A grant is offered only if the decision, taken again with the change applied, permits. A change
   of the policy is applied to a whole policy, read as strictly as any other.
4. The order is from the smallest to the widest, by how many other documents the change would open
   to the subject as well; among equals, by kind.
5. Nothing is offered across tenants, and nothing that takes two changes.

What is offered is an answer to "what is missing", not advice: a wide grant is wide.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Final

from acl.decision import guard
from acl.errors import (
    Budget,
    FilterTooLargeError,
    LabelError,
    PolicyError,
    RequestError,
    UndecidedError,
)
from acl.explain.explain import Status, explain
from acl.labels import CLASSIFICATION, READERS, AttributeType, Label, LabelValue
from acl.language.casbin_adapter import Effect, Row
from acl.language.roles import OPEN
from acl.language.terms import Compare, Matches, Rule, Touching, walk
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, TENANT_COLUMNS, decide, principals
from acl.policy.names import ROLES, Fitting, addressed, domain_of
from acl.policy.policy import Policy, graph_of
from acl.predicate import NEVER, Condition, holds
from acl.subject import Subject

_HELD: Final = ("group:", "role:")


class GrantKind(StrEnum):
    """What a grant changes, in the order in which equals are listed."""

    READER = "reader"
    """The document's label names one reader more."""

    COMPARTMENT = "compartment"
    """The subject is in one compartment more."""

    CLEARANCE = "clearance"
    """The subject is cleared higher."""

    MEMBERSHIP = "membership"
    """The subject has one role or group more."""

    RULE_ADDED = "rule added"
    """The policy has one rule more, which allows."""

    RULE_REMOVED = "rule removed"
    """The policy has one rule fewer, which denied."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a decision on one document rests on.

    Attributes:
        policy: which rules there are.
        subject: who asks, with the agents in between.
        action: what for.
        label: of the document.
        at: when.
    """

    policy: Policy
    subject: Subject
    action: str
    label: Label
    at: datetime

    def condition(self) -> Condition:
        """Return where the subject is permitted; a request that fails is permitted nowhere."""
        try:
            decision = decide(self.policy, self.subject, self.action, self.at)
        except (RequestError, FilterTooLargeError):
            return NEVER
        return decision.condition

    def permits(self) -> bool:
        """Say whether the subject is permitted with this document."""
        return holds(self.condition(), self.label)

    def parties(self) -> Iterator[tuple[Subject, Callable[[Subject], Case]]]:
        """Yield each subject whose rights count, and what puts another in its place."""
        subject, actors = self.subject, self.subject.actors
        yield subject, lambda other: replace(self, subject=other)
        for place, actor in enumerate(actors):

            def instead(other: Subject, place: int = place) -> Case:
                others = (*actors[:place], other, *actors[place + 1 :])
                return replace(self, subject=replace(subject, actors=others))

            yield actor, instead


@dataclass(frozen=True, slots=True)
class Change:
    """A case that differs in one thing.

    Attributes:
        kind: in what.
        subject: whose rights change.
        value: what is there now, or no longer.
        case: after the change.
    """

    kind: GrantKind
    subject: str
    value: str
    case: Case


def changes(case: Case) -> Iterator[Change]:
    """Yield every change that might help, each by itself."""
    for subject, instead in case.parties():
        yield from _readers(case, subject)
        yield from _attributes(case, subject, instead)
        yield from _rules(case, subject)
        yield from _memberships(case, subject)


def _readers(case: Case, subject: Subject) -> Iterator[Change]:
    attribute = case.policy.schema.attributes.get(READERS)
    if attribute is None or attribute.type is not AttributeType.KEYWORD_SET:
        return
    if READERS not in _compared_with(case.policy):
        return
    readers = case.label.values.get(READERS, frozenset())
    for name in (subject.id, *sorted(subject.groups)):
        values = {**case.label.values, READERS: {*_elements(readers), name}}
        try:
            label = case.policy.schema.parse(values)
        except LabelError:  # There is no room for another.
            return
        yield Change(GrantKind.READER, subject.id, name, replace(case, label=label))


def _compared_with(policy: Policy) -> frozenset[str]:
    """Return the attributes of labels that the matcher or a rule reads."""
    return frozenset(
        part.attribute.name
        for term in (policy.term, *policy.rule_terms.values())
        for part in walk(term)
        if isinstance(part, Touching)
    )


def _elements(value: LabelValue) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


def _attributes(
    case: Case, subject: Subject, instead: Callable[[Subject], Case]
) -> Iterator[Change]:
    """Yield one compartment more, and the lowest clearance that is enough."""
    sets = (value for name, value in case.label.values.items() if name != READERS)
    for compartment in sorted(frozenset().union(*map(_elements, sets)) - subject.compartments):
        given = instead(replace(subject, compartments=subject.compartments | {compartment}))
        yield Change(GrantKind.COMPARTMENT, subject.id, compartment, given)
    classification = case.policy.schema.attributes.get(CLASSIFICATION)
    levels = classification.levels if classification else ()
    for level in range(subject.clearance + 1, len(levels)):
        raised = instead(replace(subject, clearance=level))
        if raised.permits():
            yield Change(GrantKind.CLEARANCE, subject.id, levels[level], raised)
            return


def _memberships(case: Case, subject: Subject) -> Iterator[Change]:
    policy, definition = case.policy, case.policy.model.roles.get(ROLES)
    if definition is None:
        return
    domain = domain_of(policy, subject)
    named = {name for row in policy.rules for name in addressed(policy, row)}
    had, graph = principals(policy, subject, case.at), policy.graphs[ROLES]
    useful = Fitting(policy, subject.tenant, case.action, case.label).names()
    for role in sorted((named | set(graph.names(domain))) - had):
        reached = {role} | graph.reached(role, domain, case.at)
        if role.startswith(_HELD) and (useful is None or reached & useful):
            names = (subject.id, role, *((domain,) if definition.arity > 2 else ()))  # noqa: PLR2004
            row = (*names, *((OPEN, OPEN) if definition.timed else ()))
            for linked in _with_link(policy, Row(0, ROLES, row)):
                change = replace(case, policy=linked)
                yield Change(GrantKind.MEMBERSHIP, subject.id, role, change)


def _with_link(policy: Policy, row: Row) -> Iterator[Policy]:
    """Yield the policy with one link more, if it can have it."""
    rows = [*(link for link in policy.rows if link.kind == row.kind), row]
    definition, by = policy.model.roles[row.kind], policy.matching.get(row.kind)
    if any(link.values[: definition.arity] == row.values[: definition.arity] for link in rows[:-1]):
        return
    if policy.effect is Effect.SUBJECT_PRIORITY:  # Roles decide the order of rules.
        yield from _read(policy, [*policy.rows, row])
        return
    graphs = {**policy.graphs, row.kind: graph_of(rows, definition, by)}
    yield replace(policy, graphs=graphs)


def _rules(case: Case, subject: Subject) -> Iterator[Change]:
    policy = case.policy
    for row in _rules_for(policy, subject, case.action, case.label):
        for more in _read(policy, [*policy.rows, row]):
            yield Change(GrantKind.RULE_ADDED, subject.id, _text(row), replace(case, policy=more))
    alone = replace(subject, actors=())
    for line in explain(policy, alone, case.action, case.label, case.at).rules:
        if line.effect != "allow" and line.status is not Status.FAILS:
            left = [row for row in policy.rows if row.id != line.rule]
            for fewer in _read(policy, left):
                change = replace(case, policy=fewer)
                yield Change(GrantKind.RULE_REMOVED, subject.id, line.text, change)


def _read(policy: Policy, rows: Sequence[Row]) -> Iterator[Policy]:
    """Yield the policy with other rows, unless they are refused."""
    with suppress(PolicyError):
        yield policy.with_rows(rows)


def _text(row: Row) -> str:
    return ", ".join((row.kind, *row.values))


def _rules_for(policy: Policy, subject: Subject, action: str, label: Label) -> Iterator[Row]:
    """Yield rows that allow `subject` alone, the narrower first (law 2)."""
    kind, names = policy.names.policy
    columns = [_values(policy, name, subject, action, label) for name in names]
    number = 1 + max((row.number for row in policy.rows), default=0)
    for values in product(*columns):
        yield Row(number, kind, values)


def _values(
    policy: Policy, name: str, subject: Subject, action: str, label: Label
) -> tuple[str, ...]:
    """Return what can stand in a column; nothing if that cannot be said."""
    column = f"{policy.names.policy[0]}_{name}"
    if name in SUBJECT_COLUMNS:
        return (subject.id,)
    if name in ACTION_COLUMNS:
        return (action,)
    if name in TENANT_COLUMNS:
        return (subject.tenant,)
    if name == "eft":
        return ("allow",)
    if name == "priority":
        return _before(policy, column)
    if any(isinstance(part, Rule) and part.column == column for part in walk(policy.term)):
        return ("True",)
    return tuple(_compared(policy, column, label))


def _before(policy: Policy, column: str) -> tuple[str, ...]:
    """Return a priority before all others, if there is room."""
    taken = [policy.named(row)[column] for row in policy.rules]
    first = min((int(text) for text in taken if text.isascii() and text.isdigit()), default=1)
    return (str(first - 1),) if first > 0 else ()


def _compared(policy: Policy, column: str, label: Label) -> Iterator[str]:
    for term in walk(policy.term):
        if not isinstance(term, Compare | Matches) or not _is_column(term.operand.node, column):
            continue
        value = label.values.get(term.attribute.name)
        if not isinstance(value, str):
            continue
        if isinstance(term, Matches):
            yield from (value, f"{value.rpartition('/')[0]}/*")
        elif term.operator == "==":
            yield value


def _is_column(node: ast.expr, column: str) -> bool:
    return isinstance(node, ast.Name) and node.id == column


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One change after which the subject is permitted.

    Attributes:
        kind: what changes.
        subject: whose rights; an agent's count as well as the subject's.
        value: the reader, compartment, level, role or row, as a person would write it.
        opens: how many documents it opens to the subject, of those that were given.
    """

    kind: GrantKind
    subject: str
    value: str
    opens: int


def grants(  # noqa: PLR0913 - the question, and what to measure the answers by
    policy: Policy,
    subject: Subject,
    action: str,
    label: Label,
    at: datetime,
    *,
    labels: Iterable[tuple[Label, int]] = (),
    budget: Budget | None = None,
) -> tuple[Grant, ...]:
    """Return the single changes that would permit `action`, the smallest first.

    Args:
        policy: the policy in effect.
        subject: who may not.
        action: what they may not do.
        label: of the document with which they may not.
        at: now.
        labels: the labels that documents carry, and how many carry each; what grants are measured
            by. One reader more is a change of one document alone.
        budget: how many rows may be decided upon; where it is overdrawn, changes were left untried.

    Raises:
        RequestError: an attribute of the subject cannot be decided upon.
    """
    asked = Case(policy, subject, action, label, at)
    before = asked.condition()
    if holds(before, label) or not holds(guard(policy.schema, subject.tenant), label):
        return ()  # law 5
    hidden = [(one, number) for one, number in labels if not holds(before, one)]
    tried = changes(asked) if budget is None else _within(budget, asked)
    found = [grant for one in tried if (grant := _measured(one, hidden)) is not None]
    places = {kind: place for place, kind in enumerate(GrantKind)}
    return tuple(sorted(found, key=lambda grant: (grant.opens, places[grant.kind])))  # law 4


def _within(budget: Budget, case: Case) -> Iterator[Change]:
    """Yield changes for as long as the budget lasts; each is decided upon by every row."""
    for change in changes(case):
        try:
            budget.spend(len(case.policy.rows))
        except UndecidedError:
            return
        yield change


def _measured(change: Change, hidden: Iterable[tuple[Label, int]]) -> Grant | None:
    after = change.case.condition()
    if not holds(after, change.case.label):  # law 3
        return None
    opens = sum(number for one, number in hidden if holds(after, one))
    return Grant(
        kind=change.kind,
        subject=change.subject,
        value=change.value,
        opens=1 if change.kind is GrantKind.READER else opens,
    )
