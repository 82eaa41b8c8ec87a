"""On whom, and at which moments, a change of the policy must be tried.

The laws of this file:

1. Whatever profile and moment is left out has a twin that is not: the change does the same to both.
2. One row that applies and one that denies make a difference together, and no third is needed. So
   what a change gives or takes shows for somebody who holds no more than the names to which a row
   of the change is addressed and for which it asks, and beside them those of one other row.
3. A name for which a row asks stands for every other from which no condition on labels can tell it.
   Those that can be told are tried, and one that is named nowhere.
4. Between two moments at which a time-limited link begins or ends, nothing changes by itself.
   A moment counts for an asker only if its link can be reached from one of their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, combinations
from math import comb
from typing import Final, TypeAlias

from acl.containment.budget import Budget
from acl.language.casbin_adapter import Row
from acl.language.roles import Window
from acl.policy.asking import Asked, asked_by, asks_of_holders, kinds_beyond_askers, may_deny
from acl.policy.decide import SUBJECT_COLUMNS
from acl.policy.delegable import changed_rows
from acl.policy.names import Mentions
from acl.policy.policy import Policy
from acl.policy.profiles import fresh
from acl.subject import EVERYONE, MAX_GROUPS, Subject, is_identity

_INSTANT: Final = timedelta(microseconds=1)
_HELD: Final = ("group:", "role:")
_STRANGER: Final = "user:stranger"
_UNNAMED: Final = "group:unnamed"

Names: TypeAlias = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What matters of a rule: whom it addresses, what it asks, and whether it can take away."""

    addressee: str
    asked: Asked
    denies: bool


class Company:
    """With which names somebody must be tried, each alone and together."""

    def __init__(self, old: Policy, new: Policy, editor: Subject, budget: Budget) -> None:
        """Read what the rows of both policies ask."""
        self._old, self._new, self._budget = old, new, budget
        self._mentions = [Mentions(old), Mentions(new)]
        self._tenant = editor.tenant
        self._behind = _behind((old, new))
        self._names = [name for one in (editor, *editor.actors) for name in one.principals]
        taken = Names(self._names).union(*(one.everyone for one in self._mentions))
        self._stranger, unnamed = fresh(_STRANGER, taken), fresh(_UNNAMED, taken)
        self._told = sorted({unnamed, *self._distinguished()} - {EVERYONE})
        self._chosen: dict[int, tuple[Names, ...]] = {}
        self._rules = list(dict.fromkeys(self._applying()))
        self._others = any(one.asked.others for one in self._rules)

    def askers(self, profiles: Iterable[Subject]) -> Iterator[Subject]:
        """Yield the profiles, each once, and whoever holds names that have to be tried together."""
        found = dict.fromkeys(profiles)
        yield from found
        mine = (one for one in found if one.tenant == self._tenant)
        attributes = tuple(dict.fromkeys((one.clearance, one.compartments) for one in mine))
        # INVARIANT: somebody is tried for every choice of names.
        assert attributes
        for names in self._together():
            ids = [name for name in names if not name.startswith(_HELD)]
            groups = names.difference(ids)
            if len(ids) > 1 or len(groups) > MAX_GROUPS:
                continue  # Nobody is all of these.
            for clearance, compartments in attributes:
                one = Subject(
                    id=ids[0] if ids else self._stranger,
                    tenant=self._tenant,
                    clearance=clearance,
                    compartments=compartments,
                    groups=groups,
                )
                if one not in found:
                    yield one

    def _together(self) -> Iterator[Names]:
        """Yield every choice of names (law 2)."""
        seen = set[Names]()
        for own, others in dict.fromkeys(self._of_change()):
            for one in own:
                for other in others:
                    self._budget.spend(_CHOICE)
                    if one | other not in seen:
                        seen.add(one | other)
                        yield one | other

    def _of_change(self) -> Iterator[tuple[tuple[Names, ...], tuple[Names, ...]]]:
        """Yield, for each row of the change, its own names and those of one other row."""
        every, asking = self._beside(lambda _: True), self._beside(lambda one: one.asked.names > 0)
        denying = self._beside(lambda one: one.asked.names > 0 and one.denies)
        for policy, row in changed_rows(self._old, self._new):
            if row.kind in policy.model.roles:
                # Its role is one more of the groups that rows ask for, whomever they address.
                reached = list(self._reached(row))
                own = self._own(row.values[0], max((one.asked.names for one in reached), default=0))
                denies = len(denying) > 1 or any(one.denies for one in reached)
                for other in denying:
                    yield tuple(one | other for one in own), every if denies else asking
            elif row.kind == f"p{policy.suffix}":
                own = self._own(_addressee(policy, row), asked_by(policy, row).names)
                yield own, every if may_deny(policy, row) else (Names(),)

    def _beside(self, wanted: Callable[[_Rule], bool]) -> tuple[Names, ...]:
        """Return the names that somebody needs for one of some rows, and none."""
        found: dict[Names, None] = {Names(): None}
        for one in filter(wanted, self._rules):
            found |= dict.fromkeys(self._told_of(one.asked.names))
            found |= dict.fromkeys(self._own(one.addressee, one.asked.names))
        return tuple(found)

    def _own(self, addressee: str, names: int) -> tuple[Names, ...]:
        """Return what somebody can hold so that a row applies, for all that labels can tell."""
        starts, choices = self._carrying(addressee), self._told_of(names)
        self._budget.spend(_CHOICE * len(starts) * len(choices))
        return tuple(dict.fromkeys(start | one for start in starts for one in choices))

    def _told_of(self, most: int) -> tuple[Names, ...]:
        """Return every choice of at most so many names that labels can tell from others."""
        if most not in self._chosen:
            self._budget.spend(_CHOICE * sum(comb(len(self._told), n) for n in range(most + 1)))
            sizes = (combinations(self._told, size) for size in range(most + 1))
            found = tuple(map(Names, chain.from_iterable(sizes)))
            if self._others:
                ids = [Names({one}) for one in self._told if not one.startswith(_HELD)]
                found += tuple(one | other for one in found for other in ids)
            self._chosen[most] = tuple(dict.fromkeys(found))
        return self._chosen[most]

    def _carrying(self, addressee: str) -> tuple[Names, ...]:
        """Return the names of which each makes its holder one to whom a row is addressed."""
        if addressee == EVERYONE:
            return (Names(),)
        if addressee.startswith(_HELD) and is_identity(addressee):
            return (Names({addressee}),)
        behind = _closure(self._behind, {addressee})
        if EVERYONE in behind:
            return (Names(),)
        return tuple(Names({one}) for one in sorted(filter(is_identity, behind)))

    def _distinguished(self) -> set[str]:
        """Return the names that a condition on labels can tell from others (law 3)."""
        onward = _onward((self._old, self._new))
        found = _closure(onward, self._names)
        for policy, mentions in zip((self._old, self._new), self._mentions, strict=True):
            found |= mentions.spoken
            if kinds_beyond_askers(policy) or asks_of_holders(policy):
                found |= onward.keys() | {role for roles in onward.values() for role in roles}
        return set(filter(is_identity, _closure(self._behind, found)))

    def _applying(self) -> Iterator[_Rule]:
        for policy, mentions in zip((self._old, self._new), self._mentions, strict=True):
            for row in policy.rules:
                if mentions.applies(row, self._tenant):
                    addressee, asked = _addressee(policy, row), asked_by(policy, row)
                    yield _Rule(addressee, asked, may_deny(policy, row))

    def _reached(self, link: Row) -> Iterator[_Rule]:
        """Yield the rules that a link's role leads to."""
        roles = _closure(_onward((self._old, self._new)), {link.values[1]})
        return (one for one in self._rules if one.addressee in roles)


_CHOICE: Final = 10
"""Steps for a choice of names, which takes memory too."""


def _addressee(policy: Policy, row: Row) -> str:
    columns = policy.model.policies[row.kind]
    names = [one for at, one in zip(columns, row.values, strict=True) if at in SUBJECT_COLUMNS]
    return names[0] if names else EVERYONE


def _links(policies: Iterable[Policy]) -> Iterator[tuple[str, str]]:
    for policy in policies:
        for row in policy.rows:
            if row.kind in policy.model.roles:
                yield row.values[0], row.values[1]


def _onward(policies: Iterable[Policy]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for name, role in _links(policies):
        found[name].add(role)
    return found


def _behind(policies: Iterable[Policy]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for name, role in _links(policies):
        found[role].add(name)
    return found


def _closure(steps: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    seen, edge = set(names), list(names)
    while edge:
        edge = [two for one in edge for two in steps.get(one, ()) if two not in seen]
        seen.update(edge)
    return seen


class Calendar:
    """The moments at which a change can do something new to somebody."""

    def __init__(self, policies: Sequence[Policy], at: datetime) -> None:
        """Collect the boundaries of time-limited links from `at` on."""
        self._at = at
        self._always: set[datetime] = set()
        self._of_name: dict[str, set[datetime]] = defaultdict(set)
        self._onward: dict[str, set[str]] = defaultdict(set)
        for policy in policies:
            general = kinds_beyond_askers(policy)
            for row in policy.rows:
                if row.kind in policy.model.roles:
                    self._add(row, _boundaries(policy, row), general=row.kind in general)

    def _add(self, row: Row, boundaries: Iterable[datetime], *, general: bool) -> None:
        name, role = row.values[:2]
        self._onward[name].add(role)
        moments = {one + step for one in boundaries if one >= self._at for step in (_NO, _INSTANT)}
        (self._always if general else self._of_name[name]).update(moments)

    def moments(self, *subjects: Subject) -> list[datetime]:
        """Return now and every later moment to try for one of `subjects`, in order."""
        found = {self._at, *self._always}
        names = {name for one in subjects for name in one.principals}
        for name in _closure(self._onward, names):
            found |= self._of_name.get(name, set())
        return sorted(found)


_NO: Final = timedelta()


def _boundaries(policy: Policy, row: Row) -> Iterator[datetime]:
    if policy.model.roles[row.kind].timed:
        window = Window.parse(*row.values[-2:])
        yield from (side for side in (window.start, window.end) if side is not None)
