"""Delegation: may this editor make this change to the policy?

The laws of this file:

1. Who holds `policy:administer` may make any change.
2. Any other editor needs the right in question, such as `policy:edit`. What its rules leave over is
   the editor's *region*: the labels about whose access they decide.
3. The model, the schema and all else that gives rows their meaning stay as they are. So do the rows
   that are not of the editor's own tenant, and those that say who administers the policy.
4. A row that comes or goes decides nothing outside its extent (`acl.policy.extent`). The extent of
   each such row lies in the region. A row that gives - an allow that comes, a deny that goes, each
   that can fail - lies in what the editor holds too, now and at every moment to come.
5. A link that comes or goes lets rules come or go for some askers: those that its role leads to,
   and those that ask for names. Each is bound as law 4 binds rows, while the link can hold.
6. What cannot be bound is refused, and so is what would take too long: all the work of one question
   is taken from one budget.

Law 4 is enough for every effect. Under `allow` and no `deny`, a decision changes on a label only if
an `allow` that holds there comes or goes, a `deny` does, or a row that fails. Under the others the
first row that is not false decides. If another row decides than before, the one stands before the
other and has come or gone: rows that both policies have keep their order, or the change is refused.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise, product
from typing import Final, TypeAlias

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.containment.budget import Budget, UndecidedError
from acl.containment.search import escapee_of, is_held
from acl.decision import Permitted
from acl.errors import FilterTooLargeError, Refusal, RequestError
from acl.guards import guard
from acl.labels import Label
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import parse
from acl.language.roles import ALWAYS_OPEN, Window
from acl.language.terms import Rule, walk
from acl.policy.admission import POLICY_FILE
from acl.policy.compiler import MAX_ALTERNATIONS
from acl.policy.decide import TENANT_COLUMNS, decide, principals
from acl.policy.extent import Extents, Lead
from acl.policy.names import Meanings, Mentions
from acl.policy.policy import MODEL_FILE, Policy, link_of
from acl.predicate import NEVER, Condition
from acl.subject import Subject, is_tenant

STEPS: Final = 4_000_000
"""Steps of one question; a step takes about a microsecond."""

_DECISION: Final = 300
_GROUP: Final = 25
_RULE: Final = 60
_LOOK: Final = 50
"""Steps for a decision, for rows addressed to one name, for a row that contributes, for a look."""

_NOT_CHANGED: Final = " where the editor may not change the policy"
_NOT_HELD: Final = " where the editor does not hold it"
_INSTANT: Final = timedelta(microseconds=1)
_OF_ALL: Final = "gives meaning to the rows of every tenant; only an administrator changes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overreach:
    """What a row of a change could do that its editor has no right to do.

    Attributes:
        sentence: for the editor.
        action: what the row could let askers do, or no longer do.
        at: when.
        label: with which documents; there need be none.
    """

    sentence: str
    action: str
    at: datetime
    label: Label


Verdict: TypeAlias = tuple[Refusal, ...] | Overreach
"""Nothing if the change may be made; otherwise why it may not."""


def may_change(  # noqa: PLR0913 - each is a part of the question
    old: Policy,
    new: Policy,
    editor: Subject,
    right: Action,
    *,
    clearances: Iterable[int],
    compartments: Iterable[str],
    at: datetime,
    steps: int = STEPS,
) -> Verdict:
    """Say what stands against `editor` putting `new` in the place of `old`, if anything does.

    Args:
        old: the policy in effect.
        new: the policy proposed.
        editor: whose rights count.
        right: what the editor does: `policy:edit` proposes, `policy:activate` activates.
        clearances: those that an asker can have.
        compartments: those that an asker can be in.
        at: now, in UTC.
        steps: how long it may take, in steps of about a microsecond.

    Raises:
        RequestError, FilterTooLargeError: the editor's own rights cannot be decided upon.
    """
    clearance = max((editor.clearance, *clearances))
    widest = clearance, editor.compartments.union(compartments)
    return _Question(old, new, editor, right, at, *widest, Budget(steps)).verdict()


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row that comes or goes, for all askers or for some.

    Attributes:
        policy: whose row it is.
        comings: whether it can come to hold, or cease to, or both.
        window: while it can.
        link: because of which link, if the row itself stays.
    """

    policy: Policy
    row: Row
    comings: frozenset[bool]
    window: Window = ALWAYS_OPEN
    link: Row | None = None


@dataclass
class _Question:
    old: Policy
    new: Policy
    editor: Subject
    right: Action
    at: datetime
    clearance: int
    compartments: frozenset[str]
    budget: Budget
    _held: dict[tuple[str, datetime], Condition] = field(default_factory=dict)
    _within: set[tuple[Condition, Condition]] = field(default_factory=set)
    _names: dict[datetime, tuple[frozenset[str], ...]] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        """Apply the laws in their order."""
        schema, tenant = self.old.schema, self.editor.tenant
        if is_held(decide(self.old, self.editor, Action.POLICY_ADMINISTER, self.at), schema):
            return ()  # law 1
        decision = decide(self.old, self.editor, self.right, self.at)
        if not isinstance(decision, Permitted) or not is_held(decision, schema):
            return (self._refusal("the editor does not hold this right"),)  # law 2
        refusals = tuple(_framework(self.old, self.new))
        refusals = refusals or tuple(_untouchable(self.old, self.new, tenant))
        if refusals:
            return refusals  # law 3
        try:
            return self._overreach(decision.predicate) or ()
        except UndecidedError as error:
            return (self._refusal(str(error)),)  # law 6

    def _refusal(self, reason: str) -> Refusal:
        return Refusal(POLICY_FILE, self.right, reason)

    @cached_property
    def _extents(self) -> Mapping[str, Extents]:
        widest, both = (self.clearance, self.compartments), (self.old, self.new)
        return {one.digest: Extents(one, *widest) for one in both}

    @cached_property
    def _meanings(self) -> Mapping[str, Meanings]:
        return {one.digest: Meanings(one) for one in (self.old, self.new)}

    @cached_property
    def _mentions(self) -> Mentions:
        return Mentions(self.new)

    def _overreach(self, region: Condition) -> Overreach | None:
        """Return the first thing that goes too far."""
        self._check_turns()
        found = (self._beyond(claim, region) for claim in self._claims())
        return next(filter(None, found), None)

    def _check_turns(self) -> None:
        """Refuse rules so many that an asker might be refused for their number alone (law 6)."""
        if self.new.effect not in {Effect.PRIORITY, Effect.SUBJECT_PRIORITY}:
            return
        for policy in (self.old, self.new):
            extents = self._extents[policy.digest]
            rows = [one for one in policy.rules if self._mentions.applies(one, self.editor.tenant)]
            self.budget.spend(_LOOK * len(rows))
            kinds = [(policy.effect_of(row), extents.of(row).fails) for row in rows]
            turns = sum(one != other or one[1] for one, other in pairwise(kinds))
            if turns >= MAX_ALTERNATIONS:
                raise UndecidedError("rules permit and deny in turns too often to be delegated")

    def _claims(self) -> Iterator[_Claim]:
        """Yield what the change can do, row by row."""
        for policy, row in _changed(self.old, self.new):
            comes = policy is self.new
            if row.kind == f"p{self.new.suffix}":
                yield _Claim(policy, row, frozenset({comes}))  # law 4
            elif row.kind in self.new.model.roles:
                yield from self._of_link(row, comes=comes)  # law 5

    def _of_link(self, link: Row, *, comes: bool) -> Iterator[_Claim]:
        """Yield the rules that stay, and that a link lets come or go for some askers."""
        if any(link.kind in one.beyond_askers for one in self._extents.values()):
            raise UndecidedError(f"{_line(link)}: rules ask for such links of documents too")
        extents, window = self._extents[self.new.digest], _window(self.new, link)
        lead = Lead(link.kind, _led_to((self.old, self.new), link))
        before = {row.values for row in self.old.rules}
        for row in (one for one in self.new.rules if one.values in before):
            self.budget.spend(_LOOK)
            answers = extents.answers(row, lead)
            if answers and self._mentions.applies(row, self.editor.tenant):
                comings = frozenset(answer is comes for answer in answers)
                yield _Claim(self.new, row, comings, window, link)

    def _beyond(self, claim: _Claim, region: Condition) -> Overreach | None:
        """Return how a row goes too far, if it does (law 4)."""
        policy, row = claim.policy, claim.row
        moments, actions = self._moments(claim.window), self._meanings[policy.digest].of(row)
        if not moments or not actions:
            return None
        self.budget.spend(_LOOK)
        extent = self._extents[policy.digest].of(row)
        labels = all_of(guard(policy.schema, self.editor.tenant), extent.labels)
        gives = extent.fails or (policy.effect_of(row) == "allow") in claim.comings
        could = "{} could give `{}`" if gives else "{} could take `{}` away"
        outside = self._escapee(labels, region)
        if outside is not None:
            sentence = could.format(self._place(claim), min(actions)) + _NOT_CHANGED
            return Overreach(sentence=sentence, action=min(actions), at=self.at, label=outside)
        for action, moment in product(sorted(actions) if gives else (), moments):
            lacked = self._escapee(labels, self._of_editor(action, moment))
            if lacked is not None:
                when = "" if moment == self.at else f" from {moment:%Y-%m-%d %H:%M:%S}"
                sentence = could.format(self._place(claim), action) + _NOT_HELD + when
                return Overreach(sentence=sentence, action=action, at=moment, label=lacked)
        return None

    def _place(self, claim: _Claim) -> str:
        place = _line(claim.row) + (" as it stands" if claim.policy is self.old else "")
        return place if claim.link is None else f"{_line(claim.link)} leads to {place}, which"

    def _escapee(self, inner: Condition, outer: Condition) -> Label | None:
        if (inner, outer) in self._within:
            return None
        found = escapee_of([inner], [outer], self.old.schema, budget=self.budget)
        if found is None:
            self._within.add((inner, outer))
        return found

    def _moments(self, window: Window) -> list[datetime]:
        """Return now and the moments at which the editor's rights can change while a link holds.

        There are none if it never holds again.
        """
        start = window.start
        begins = [start + _INSTANT] if start is not None and start >= self.at else []
        sides = (one for one in self.old.boundaries if one >= self.at)
        later = [at for side in sides for at in (side, side + _INSTANT)]
        held = [one for one in (self.at, *begins, *later) if window.holds(one)]
        if not held:
            return []
        if self._extents[self.old.digest].beyond_askers:
            return sorted({self.at, *held})
        distinct: dict[tuple[frozenset[str], ...], datetime] = {}
        for moment in sorted({self.at, *held}):
            distinct.setdefault(self._names_at(moment), moment)
        return list(distinct.values())

    def _names_at(self, moment: datetime) -> tuple[frozenset[str], ...]:
        if moment not in self._names:
            self.budget.spend(_LOOK)
            everyone = self.editor, *self.editor.actors
            self._names[moment] = tuple(principals(self.old, one, moment) for one in everyone)
        return self._names[moment]

    def _of_editor(self, action: str, at: datetime) -> Condition:
        """Return what the editor holds at a moment, as things stand."""
        if (action, at) not in self._held:
            self._held[action, at] = self._decided(action, at)
        return self._held[action, at]

    def _decided(self, action: str, at: datetime) -> Condition:
        """Return where the editor may do something; a request that fails is refused: nowhere."""
        self.budget.spend(_DECISION + _GROUP * len(self.old.groups))
        try:
            decision = decide(self.old, self.editor, action, at)
        except (RequestError, FilterTooLargeError):
            return NEVER
        if not isinstance(decision, Permitted):
            return NEVER
        self.budget.spend(_RULE * len(decision.rules))
        return decision.predicate


def tenant_of(policy: Policy, row: Row) -> str | None:
    """Return the tenant that a row names, or nothing if the model gives its kind none."""
    place = _tenant_place(policy, row)
    return None if place is None else row.values[place]


def _tenant_place(policy: Policy, row: Row) -> int | None:
    if row.kind in policy.model.roles:
        return 2 if policy.model.roles[row.kind].arity > 2 else None  # noqa: PLR2004 - a domain
    columns = policy.model.policies[row.kind]
    return next((place for place, one in enumerate(columns) if one in TENANT_COLUMNS), None)


def _changed(old: Policy, new: Policy) -> Iterator[tuple[Policy, Row]]:
    """Yield the rows that go or come, with the policy of each; what stands twice counts twice."""
    for policy, other in ((old, new), (new, old)):
        left = Counter((row.kind, row.values) for row in other.rows)
        for row in policy.rows:
            if left[row.kind, row.values]:
                left[row.kind, row.values] -= 1
            else:
                yield policy, row


def _framework(old: Policy, new: Policy) -> Iterator[Refusal]:
    """Refuse a change of what gives rows meaning (law 3), and what has no bound (law 6)."""
    if old.model.text != new.model.text:
        yield Refusal(MODEL_FILE, "model", _OF_ALL)
    if old.schema != new.schema:
        yield Refusal("labels.toml", "schema", _OF_ALL)
    others = (old.matching, old.suffix, old.names.resource)
    if others != (new.matching, new.suffix, new.names.resource):
        yield Refusal(MODEL_FILE, "matching", _OF_ALL)
    elif new.matching:
        yield Refusal(MODEL_FILE, "matching", "where names are patterns, nothing can be delegated")
    if new.effect is not Effect.ALLOW_AND_DENY and not _in_order(old.rules, new.rules):
        yield Refusal(POLICY_FILE, "order", "rules may not change places where their order counts")
    if not (old.rules and new.rules) and not any(isinstance(one, Rule) for one in walk(new.term)):
        yield Refusal(POLICY_FILE, "p", "without any rule, the matcher alone decides")


def _in_order(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Say whether the rows that both have come in the same order, and as often."""
    before, after = [row.values for row in old], [row.values for row in new]
    both = set(before) & set(after)
    return [one for one in before if one in both] == [one for one in after if one in both]


def _untouchable(old: Policy, new: Policy, tenant: str) -> Iterator[Refusal]:
    """Refuse rows that are for others to touch (law 3)."""
    mentions, meanings = Mentions(new), Meanings(new)
    others = _other_tenants(new, tenant)
    for policy, row in _changed(old, new):
        place = _tenant_place(policy, row)
        if place is None:
            reason = "the model gives rows of this kind no tenant, so they cannot be delegated"
            yield Refusal(_line(row), row.kind, reason)
        elif row.values[place] != tenant:
            columns = policy.model.policies.get(row.kind)
            column = columns[place] if columns else "domain"
            reason = "is not a row of the editor's own tenant"
            yield Refusal(_line(row), row.kind, reason, column)
        elif any(mentions.applies(row, one) for one in others):
            reason = "the model does not keep such a row to its tenant, so it cannot be delegated"
            yield Refusal(_line(row), row.kind, reason)
        if row.kind == f"p{new.suffix}" and Action.POLICY_ADMINISTER in meanings.of(row):
            reason = "only an administrator says who administers the policy"
            yield Refusal(_line(row), Action.POLICY_ADMINISTER, reason)
    foreign = [
        [(row.kind, row.values) for row in policy.rows if tenant_of(policy, row) != tenant]
        for policy in (old, new)
    ]
    if foreign[0] != foreign[1] and sorted(foreign[0]) == sorted(foreign[1]):
        yield Refusal(POLICY_FILE, "order", "rows of others may not change places")


def _other_tenants(policy: Policy, tenant: str) -> frozenset[str]:
    """Return tenants that stand for all others, as far as the matcher can tell them apart."""
    matcher = parse(policy.model.matchers[f"m{policy.suffix}"])
    texts = (one.value for one in ast.walk(matcher) if isinstance(one, ast.Constant))
    told = {one for one in texts if isinstance(one, str) and is_tenant(one)}
    return frozenset(told | {"elsewhere", f"{tenant}-elsewhere"}) - {tenant}


def _led_to(policies: Iterable[Policy], link: Row) -> frozenset[str]:
    """Return the role of a link and every role that it has, at whatever time, in its domain."""
    onward = defaultdict[str, set[str]](set)
    for policy in policies:
        for row in policy.rows:
            if row.kind == link.kind and row.values[2] == link.values[2]:
                onward[row.values[0]].add(row.values[1])
    seen, edge = {link.values[1]}, [link.values[1]]
    while edge:
        edge = [role for name in edge for role in onward[name] - seen]
        seen.update(edge)
    return frozenset(seen)


def _window(policy: Policy, link: Row) -> Window:
    return link_of(link, policy.model.roles[link.kind]).window


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
