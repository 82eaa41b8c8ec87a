"""Rows that can never apply: no label can meet all that they ask, or nobody can.

The laws of this file:

1. That no label can meet a row is only said where it is decided, for all labels that there can be
   (`acl.containment`), for the widest asker, at any moment. What is too much to decide can apply.
2. That nobody can meet a row is found out by trying: whom the row names, who reaches that by links
   at any time, a stranger; at every clearance, with no compartment and with all. Where names are
   matched by patterns, it is not said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice, product
from typing import Final

from acl.actions import Action
from acl.admission.columns import KINDS, Columns, Named, Tenanted
from acl.admission.row_values import tenants_in, used
from acl.algebra.conditions import all_of
from acl.algebra.partial import Partial
from acl.containment.search import escapee_of
from acl.decision import TENANT
from acl.errors import AclError, Budget, UndecidedError
from acl.labels import CLASSIFICATION, MAX_INTEGER, PATH, AttributeType
from acl.language.casbin_adapter import Row
from acl.language.roles import ALWAYS_OPEN, PlainRoleGraph
from acl.policy.decide import request_of
from acl.policy.extent import Extents
from acl.policy.moment import MOMENT_COLUMNS
from acl.policy.names import Meanings, expressed, mentions_of, texts_of
from acl.policy.policy import Policy, link_of
from acl.predicate import NEVER, AnyOf, Condition, Under
from acl.subject import MAX_GROUPS, Subject, is_identity, is_tenant

STEPS: Final = 400_000
"""How long all rows of a policy are looked at together."""

LOOKED_AT: Final = 1000
"""Rows that deny of which it is found out whether a label can meet them."""

NO_LABEL: Final = "no label that a document can have meets all of its columns and conditions"

_ELSEWHERE: Final = "elsewhere"
_STRANGER: Final = "user:stranger"
_HELD: Final = ("group:", "role:")
_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
_MOST: Final = 8


class Impossible:
    """Finds the rules of one policy that can never apply."""

    def __init__(self, policy: Policy, columns: Columns) -> None:
        """Begin with nothing found out."""
        self._policy, self._columns = policy, columns
        self._budget = Budget(STEPS)

    def for_labels(self, row: Row) -> bool:
        """Say whether no label can meet a row (law 1)."""
        texts = expressed(self._policy) | set(row.values) | {_ELSEWHERE}
        try:
            extent = Extents(self._policy, self._levels[-1], texts).of(row)
            bounds = (extent.labels, *self._bounds(row))
            found = escapee_of([all_of(*bounds)], [], self._policy.schema, budget=self._budget)
        except UndecidedError:
            return False
        return found is None

    def for_askers(self, row: Row) -> bool:
        """Say whether nobody of those who are tried can meet a row (law 2)."""
        row_of, subjects = self._policy.named(row), tuple(self._subjects(row))
        rules = (row_of[one] for one in self._columns.rule_columns)
        if self._policy.matching or not all(map(self._columns.asks_plainly, (None, *rules))):
            return False
        if not MOMENT_COLUMNS.isdisjoint(self._policy.names.request[1]):
            return False
        actions = sorted(self._meanings.of(row) & set(Action))[:_MOST]
        for subject, action in product(subjects, actions or ("",)):
            request = request_of(self._opened, subject, action, _NO_MOMENT)
            prefix = self._policy.names.request[0]
            names = {f"{prefix}_{column}": value for column, value in request.items()}
            try:
                outcome = Partial(
                    names, self._opened.graphs, _NO_MOMENT, self._policy.rule_terms.__getitem__
                ).outcome(self._policy.term, row_of)
            except AclError:
                return False
            if outcome.true is not NEVER or not outcome.total:
                return False
        return True

    @cached_property
    def _levels(self) -> tuple[int, ...]:
        attribute = self._policy.schema.attributes.get(CLASSIFICATION)
        named = attribute.levels if attribute is not None else ()
        return tuple(range(len(named))) or (0, MAX_INTEGER)

    @cached_property
    def _meanings(self) -> Meanings:
        return Meanings(self._policy)

    @cached_property
    def _opened(self) -> Policy:
        """The policy with every link in effect; no names are matched by patterns (law 2)."""
        graphs = dict(self._policy.graphs)
        for kind, definition in self._policy.model.roles.items():
            links = (link_of(row, definition) for row in self._policy.rows if row.kind == kind)
            opened = (replace(link, window=ALWAYS_OPEN) for link in links)
            graphs[kind] = PlainRoleGraph(opened, timed=definition.timed)
        return replace(self._policy, graphs=graphs)

    def _bounds(self, row: Row) -> Iterator[Condition]:
        """Yield what holds for every label that a row can be about, beside what it says itself."""
        attributes = self._policy.schema.attributes
        if PATH in attributes and attributes[PATH].type is AttributeType.PATH:
            yield Under(PATH, frozenset({"/"}))
        named = [one for one in self._named_tenants(row) if is_tenant(one)]
        if (
            TENANT in attributes
            and named
            and not mentions_of(self._policy).applies(row, _ELSEWHERE)
        ):
            yield AnyOf(TENANT, frozenset(named))

    def _named_tenants(self, row: Row) -> list[str]:
        """Return what stands in the columns that are compared with a tenant."""
        named = self._policy.named(row)
        uses = self._columns.uses.items()
        return [
            named[one] for one, found in uses if any(isinstance(use, Tenanted) for use in found)
        ]

    def _tenant(self, row: Row) -> str:
        """Return a tenant in which a row can apply: one that it names, or else any."""
        begun = [one.partition("*")[0] for one in self._named_tenants(row)]
        spelt = [one for text in begun for one in (text, f"{text}a") if text and is_tenant(one)]
        known = (value for _, _, value in tenants_in(self._policy, self._columns))
        return next(iter((*spelt, *islice(known, 1))), _ELSEWHERE)

    def _subjects(self, row: Row) -> Iterator[Subject]:
        texts = texts_of(self._policy, row) | set(self._begun(row))
        names = sorted(filter(is_identity, texts))[:_MOST]
        names += [one for name in names for one in self._reaching(name)][:_MOST]
        held = frozenset(name for name in names if name.startswith(_HELD))
        people = [name for name in names if name not in held] or [_STRANGER]
        groups = (frozenset[str](), *(frozenset({one}) for one in sorted(held)), held)
        needed = {*expressed(self._policy), *row.values, _ELSEWHERE} - {""}
        sets = frozenset[str](), frozenset(sorted(needed)[:MAX_GROUPS])
        for one, which, level, needs in product(people, groups, self._levels, sets):
            yield Subject(
                id=one, tenant=self._tenant(row), clearance=level, compartments=needs, groups=which
            )

    def _begun(self, row: Row) -> Iterator[str]:
        """Yield names that patterns of a row match."""
        for _, value, uses in used(self._policy, self._columns, row):
            if any(isinstance(use, Named) and use.pattern for use in uses):
                begun = value.partition("*")[0]
                yield from (f"{begun}a", *(f"{one}:a" for one in KINDS if one.startswith(begun)))

    def _reaching(self, name: str) -> Iterator[str]:
        """Yield names that reach another one by links, at whatever time: the first that are met."""
        met, waiting = {name}, [name]
        while waiting and len(met) <= _MOST:
            for holder in sorted(self._holders.get(waiting.pop(), set()) - met)[:_MOST]:
                met.add(holder)
                waiting.append(holder)
                yield holder

    @cached_property
    def _holders(self) -> Mapping[str, set[str]]:
        """The names that have each role by a link of their own."""
        holders: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._policy.rows:
            if row.kind in self._columns.askers_roles and is_identity(row.values[0]):
                holders[row.values[1]].add(row.values[0])
        return holders
