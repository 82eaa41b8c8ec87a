"""What each new line of a policy touches today: how many people, how many documents.

The laws of this file:

1. A rule touches a document if it is true for it, for somebody who is looked at, under an action
   that the rule is meant for. Whether other rules give or take the same does not matter.
2. A link touches who bears its first name, and the documents that the rules which its role leads to
   are true for, at the widest clearance.
3. People are those who were seen; those who stand for roles count documents alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.decision import guard
from acl.errors import AclError
from acl.language.casbin_adapter import Row
from acl.policy.compiler import Residual, residuals
from acl.policy.decide import request_of
from acl.policy.names import Meanings, domain_of, texts_of
from acl.policy.policy import Policy
from acl.preview.census import Corpus, Mask
from acl.subject import Subject


@dataclass(frozen=True, slots=True)
class Touch:
    """What one line touches.

    Attributes:
        line: its number in policy.csv.
        row: what it says.
        people: how many of those who were seen.
        documents: how many of those that were counted.
    """

    line: int
    row: str
    people: int
    documents: int


def touches(  # noqa: PLR0913 - a policy, what of it, and what it is held against
    policy: Policy,
    rows: Iterable[Row],
    corpus: Corpus,
    *,
    people: Collection[Subject],
    roles: Collection[Subject],
    at: datetime,
) -> tuple[Touch, ...]:
    """Return what each of some rows of a policy touches, in their order.

    Args:
        policy: the proposed policy.
        rows: those to tell of, such as the new ones.
        corpus: the live documents.
        people: who was seen.
        roles: subjects that stand for roles.
        at: the moment for which time-limited roles are decided.
    """
    new = tuple(rows)
    counted = _Counted(corpus)
    rules = tuple(row for row in new if row.kind == f"p{policy.suffix}")
    if rules:
        links = [row for row in policy.rows if row.kind in policy.model.roles]
        added = policy.with_rows([*rules, *links])
        for subject in dict.fromkeys((*people, *roles)):
            for residual in _meeting(added, subject, at):
                counted.touched(residual.row, subject, _mask(policy, corpus, subject, residual))
    for row in new:
        if row.kind in policy.model.roles:
            _link(policy, row, corpus, [*people, *roles], at, counted)
    seen = {(one.tenant, one.id) for one in people}
    return tuple(counted.touch(row, seen) for row in new)


class _Counted:
    """Adds up what rows touch."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._masks: dict[int, Mask] = {}
        self._people: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)

    def touched(self, row: Row, subject: Subject, mask: Mask) -> None:
        if mask.any():
            known = self._masks.get(row.number)
            self._masks[row.number] = mask if known is None else known | mask
            self._people[row.number].add((subject.tenant, subject.id))

    def touch(self, row: Row, seen: Collection[tuple[str, str]]) -> Touch:
        mask = self._masks.get(row.number)
        documents = 0 if mask is None else self._corpus.census.count(mask)
        people = self._people[row.number].intersection(seen)
        return Touch(row.number, ", ".join((row.kind, *row.values)), len(people), documents)


def _meeting(policy: Policy, subject: Subject, at: datetime) -> Iterator[Residual]:
    """Yield what is left of the rules for a subject, under each action that there is."""
    meanings = Meanings(policy)
    actions = frozenset[str]().union(*map(meanings.of, policy.rules)) & frozenset(map(str, Action))
    for action in sorted(actions):
        try:
            yield from residuals(policy, request_of(policy, subject, action, at), at)
        except AclError:
            continue


def _mask(policy: Policy, corpus: Corpus, subject: Subject, residual: Residual) -> Mask:
    condition = all_of(guard(policy.schema, subject.tenant), residual.outcome.true)
    return corpus.census.mask(condition)


def _link(  # noqa: PLR0913, PLR0917 - a policy, one of its rows, and who is asked about
    policy: Policy,
    row: Row,
    corpus: Corpus,
    subjects: Sequence[Subject],
    at: datetime,
    counted: _Counted,
) -> None:
    name, role = row.values[:2]
    graph = policy.graphs[row.kind]
    for subject in subjects:
        domain = domain_of(policy, subject)
        mine = name in subject.principals and domain in {"", *row.values[2:3]}
        if not mine or not graph.has_link(name, role, domain, at):
            continue
        reached = graph.reached(role, domain, at)
        for residual in _meeting(policy, subject, at):
            if not reached.isdisjoint(texts_of(policy, residual.row)):
                counted.touched(row, subject, _mask(policy, corpus, subject, residual))
