"""On whom, and at which moments, a change of the policy must be tried.

The laws of this file:

1. Whatever profile and moment is left out has a twin that is not: the change does the same to both.
2. Rights come from rows that name one principal each. So what a change gives or takes shows for
   somebody who holds a principal that the change is about and, beside it, no more than one other:
   a row that allows and a row that denies make a difference together, and no third is needed.
3. Between two moments at which a time-limited link begins or ends, nothing changes by itself.
   A moment counts for an asker only if its link can be reached from one of their names.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from acl.casbin_door import Effect, Row
from acl.decide import SUBJECT_COLUMNS
from acl.delegable import asks_who, changed_rows
from acl.partial import operands
from acl.policy import Policy
from acl.roles import Window
from acl.subject import EVERYONE, MAX_GROUPS, Subject, is_identity
from acl.terms import (
    AllOf,
    AnyPart,
    Negation,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Term,
    walk,
)

_INSTANT: Final = timedelta(microseconds=1)
_HELD: Final = ("group:", "role:")
_NOBODY: Final = "user:nobody-in-particular"


@dataclass(frozen=True, slots=True)
class Asker:
    """On whom to try a change.

    Attributes:
        subject: who asks.
        beside: who they would be with the name alone that the change is about. If the change alters
            no denial of that one, company makes no difference.
    """

    subject: Subject
    beside: Subject | None = None


def askers(old: Policy, new: Policy, profiles: Iterable[Subject], tenant: str) -> Iterator[Asker]:
    """Yield the profiles, each once, and those of `tenant` together with whom the change names."""
    found = dict.fromkeys(profiles)
    yield from map(Asker, found)
    for name, by_denial in sorted(_named(old, new).items()):
        for profile in (one for one in found if one.tenant == tenant):
            together = _holding(profile, name)
            if together is not None and together not in found:
                yield Asker(together, _alone(profile, name) if by_denial else None)


def _named(old: Policy, new: Policy) -> dict[str, bool]:
    """Return the principals whose rights a change can alter in company with others' (law 2).

    Each with whether it can do so by a denial alone.
    """
    found: dict[str, bool] = {}
    for row in changed_rows(old, new):
        policy = new if row in new.rows else old
        names = _addressed(policy, row)
        if row.kind == f"p{new.suffix}" and asks_who(policy, row):
            found |= dict.fromkeys(names, False)
        elif new.effect is Effect.ALLOW_AND_DENY:
            found = dict.fromkeys(names, True) | found
        elif new.effect is not Effect.ALLOW_OVERRIDE:
            found |= dict.fromkeys(names, False)
    return found


def _addressed(policy: Policy, row: Row) -> set[str]:
    """Return whose rights a row changes, as far as they are names that somebody can have."""
    names = {row.values[0]}
    if row.kind not in policy.model.roles:
        columns = policy.model.policies[row.kind]
        names = {one for at, one in zip(columns, row.values, strict=True) if at in SUBJECT_COLUMNS}
    return {name for name in names if is_identity(name) and name != EVERYONE}


def _holding(profile: Subject, name: str) -> Subject | None:
    """Return `profile` as one who is `name` too, or nothing if nobody can be both."""
    if name.startswith(_HELD):
        groups = profile.groups | {name}
        return replace(profile, groups=groups) if len(groups) <= MAX_GROUPS else None
    # Who stands for what they hold can be anybody; who stands for themself is nobody else.
    return replace(profile, id=name) if profile.groups else None


def _alone(profile: Subject, name: str) -> Subject:
    """Return somebody who is `name` and nobody else, and cleared like `profile`."""
    held = frozenset({name}) if name.startswith(_HELD) else frozenset[str]()
    return replace(profile, id=_NOBODY if held else name, groups=held)


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

    def moments(self, subject: Subject) -> list[datetime]:
        """Return now and every later moment to try for `subject`, in order."""
        found = {self._at, *self._always}
        for name in self._reachable(subject.principals):
            found |= self._of_name.get(name, set())
        return sorted(found)

    def _reachable(self, names: Iterable[str]) -> set[str]:
        seen, edge = set(names), list(names)
        while edge:
            edge = [two for one in edge for two in self._onward.get(one, ()) if two not in seen]
            seen.update(edge)
        return seen


_NO: Final = timedelta()


def _boundaries(policy: Policy, row: Row) -> Iterator[datetime]:
    if policy.model.roles[row.kind].timed:
        window = Window.parse(*row.values[-2:])
        yield from (side for side in (window.start, window.end) if side is not None)


def kinds_beyond_askers(policy: Policy) -> frozenset[str]:
    """Return the role definitions that are asked about other names than the asker's own."""
    own = f"{policy.names.request[0]}_"
    terms = [policy.term, *policy.rule_terms.values()]
    return frozenset(
        kind
        for term in terms
        for one in walk(term)
        for kind, start in _starts(policy, one)
        if not (isinstance(start, ast.Name) and start.id.startswith(own))
    )


def _starts(policy: Policy, term: Term) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield each role definition that a term asks, with the name from which it is asked."""
    match term:
        case AllOf() | AnyPart() | Negation() | Rule():
            return
        case ResourceRole(_, kind, _, _):
            yield kind, None
        case ResourceHolder(_, kind, name, _) | RoleInDomain(_, kind, name, _):
            yield kind, name.node
        case _:
            pass
    for operand in operands(term):
        for one in ast.walk(operand.node):
            match one:
                case ast.Call(func=ast.Name(id=kind), args=[start, *_]):
                    if kind in policy.model.roles:
                        yield kind, start
                case _:
                    pass
