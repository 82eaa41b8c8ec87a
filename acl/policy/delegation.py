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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise, product
from typing import Final, TypeAlias

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.containment.search import escapee_of, is_held
from acl.decision import Permitted, guard
from acl.errors import Budget, FilterTooLargeError, Refusal, RequestError, UndecidedError
from acl.labels import Label
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import parse
from acl.language.model_file import MODEL_FILE
from acl.language.roles import ALWAYS_OPEN, Window
from acl.language.rules_file import POLICY_FILE
from acl.language.terms import Rule, walk
from acl.policy.compiler import MAX_ALTERNATIONS
from acl.policy.decide import TENANT_COLUMNS, decide
from acl.policy.extent import Extents, Lead
from acl.policy.names import Meanings, mentions_of
from acl.policy.policy import Policy, link_of
from acl.predicate import NEVER, Condition
from acl.subject import Subject, is_tenant

STEPS: Final = 4_000_000
"""Steps of one question; a step takes about a microsecond."""

_DECISION: Final = 300
_GROUP: Final = 25
_RULE: Final = 60
_LOOK: Final = 50
"""Steps for a decision, for rows addressed to one name, for a row that contributes, for a look."""

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
    if is_held(decide(old, editor, Action.POLICY_ADMINISTER, at), old.schema):
        return ()  # law 1
    decision = decide(old, editor, right, at)
    if not isinstance(decision, Permitted) or not is_held(decision, old.schema):
        return (Refusal(POLICY_FILE, right, "the editor does not hold this right"),)  # law 2
    refusals = tuple(_framework(old, new)) or tuple(_untouchable(old, new, editor.tenant))
    if refusals:
        return refusals  # law 3
    widest = max((editor.clearance, *clearances)), editor.compartments.union(compartments)
    sides = _Side(old, *widest), _Side(new, *widest)
    try:
        return _Question(*sides, editor, at, Budget(steps)).overreach(decision.predicate) or ()
    except UndecidedError as error:
        return (Refusal(POLICY_FILE, right, str(error)),)  # law 6


class _Side:
    """One of the two policies, and what is asked about its rows."""

    def __init__(self, policy: Policy, clearance: int, compartments: frozenset[str]) -> None:
        self.policy = policy
        self.extents = Extents(policy, clearance, compartments)
        self.meanings = Meanings(policy)
        self.mentions = mentions_of(policy)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A rule that comes or goes, for all askers or because of a link for some.

    Attributes:
        side: whose rule it is.
        rule: what can come to hold, or cease to.
        comings: whether it can come to hold (true), cease to (false), or both.
        edited: the row of the change: the rule itself, or a link.
        comes: whether that row comes or goes.
        window: while it can.
    """

    side: _Side
    rule: Row
    comings: frozenset[bool]
    edited: Row
    comes: bool
    window: Window = ALWAYS_OPEN


@dataclass(slots=True)
class _Question:
    old: _Side
    new: _Side
    editor: Subject
    at: datetime
    budget: Budget
    _held: dict[tuple[str, datetime], Condition] = field(default_factory=dict)
    _within: set[tuple[Condition, Condition]] = field(default_factory=set)
    _roles: dict[datetime, tuple[frozenset[str], ...]] = field(default_factory=dict)

    def overreach(self, region: Condition) -> Overreach | None:
        """Return the first thing that goes too far.

        Raises:
            UndecidedError: something has no bound, or it takes too long.
        """
        for side in (self.old, self.new):
            self._check_turns(side)
        found = (self._beyond(claim, region) for claim in self._claims())
        return next(filter(None, found), None)

    def _check_turns(self, side: _Side) -> None:
        """Refuse rules so many that an asker might be refused for their number alone (law 6)."""
        policy = side.policy
        if policy.effect not in {Effect.PRIORITY, Effect.SUBJECT_PRIORITY}:
            return
        rows = [row for row in policy.rules if side.mentions.applies(row, self.editor.tenant)]
        self.budget.spend(_LOOK * len(rows))
        kinds = [(policy.effect_of(row), side.extents.of(row).fails) for row in rows]
        turns = sum(one != other or one[1] for one, other in pairwise(kinds))
        if turns >= MAX_ALTERNATIONS:
            raise UndecidedError("rules permit and deny in turns too often to be delegated")

    def _claims(self) -> Iterator[_Claim]:
        """Yield what the change can do, rule by rule."""
        for side, other in ((self.old, self.new), (self.new, self.old)):
            for row in _surplus(side.policy, other.policy):
                comes = side is self.new
                if row.kind in side.policy.model.roles:
                    yield from self._of_link(row, comes=comes)  # law 5
                elif row.kind == f"p{side.policy.suffix}":
                    yield _Claim(side, row, frozenset({comes}), row, comes)  # law 4

    def _of_link(self, link: Row, *, comes: bool) -> Iterator[_Claim]:
        """Yield the rules that stay, and that a link lets come or go for some askers."""
        if link.kind in self.old.extents.beyond_askers | self.new.extents.beyond_askers:
            reason = "rules ask for such links of documents or of others than the asker"
            raise UndecidedError(f"{_line(link)}: {reason}")
        before, after = self.old.policy, self.new.policy
        lead = Lead(link.kind, _led_to((before, after), link))
        window = link_of(link, after.model.roles[link.kind]).window
        stays = {row.values for row in before.rules}
        for rule in (row for row in after.rules if row.values in stays):
            self.budget.spend(_LOOK)
            answers = self.new.extents.answers(rule, lead)
            if answers and self.new.mentions.applies(rule, self.editor.tenant):
                comings = frozenset(answer is comes for answer in answers)
                yield _Claim(self.new, rule, comings, link, comes, window)

    def _beyond(self, claim: _Claim, region: Condition) -> Overreach | None:
        """Return how a rule goes too far, if it does (law 4)."""
        policy, rule = claim.side.policy, claim.rule
        moments, actions = self._moments(claim.window), sorted(claim.side.meanings.of(rule))
        if not moments or not actions:
            return None
        self.budget.spend(_LOOK)
        extent = claim.side.extents.of(rule)
        labels = all_of(guard(policy.schema, self.editor.tenant), extent.labels)
        gives = extent.fails or (policy.effect_of(rule) == "allow") in claim.comings
        say = partial(_sentence, claim, gives=gives, fails=extent.fails)
        outside = self._escapee(labels, region)
        if outside is not None:
            sentence = say(actions[0], "may not change the policy")
            return Overreach(sentence=sentence, action=actions[0], at=self.at, label=outside)
        for action, moment in product(actions if gives else (), moments):
            lacked = self._escapee(labels, self._of_editor(action, moment))
            if lacked is not None:
                since = "" if moment == self.at else f" from {moment:%Y-%m-%d %H:%M:%S}"
                sentence = say(action, f"does not hold it{since}")
                return Overreach(sentence=sentence, action=action, at=moment, label=lacked)
        return None

    def _escapee(self, inner: Condition, outer: Condition) -> Label | None:
        if (inner, outer) in self._within:
            return None
        found = escapee_of([inner], [outer], self.old.policy.schema, budget=self.budget)
        if found is None:
            self._within.add((inner, outer))
        return found

    def _moments(self, window: Window) -> list[datetime]:
        """Return now and the moments at which the editor's rights can change while a link holds.

        There are none if it never holds again.
        """
        start = window.start
        begins = [start + _INSTANT] if start is not None and start >= self.at else []
        sides = (side for side in self.old.policy.boundaries if side >= self.at)
        later = [moment for side in sides for moment in (side, side + _INSTANT)]
        holds = list(filter(window.holds, (self.at, *begins, *later)))
        if not holds:
            return []
        moments = sorted({self.at, *holds})
        if self.old.extents.beyond_askers:
            return moments
        distinct: dict[tuple[frozenset[str], ...], datetime] = {}
        for moment in moments:
            distinct.setdefault(self._roles_at(moment), moment)
        return list(distinct.values())

    def _roles_at(self, moment: datetime) -> tuple[frozenset[str], ...]:
        """Return what each name of the editor, and of each agent, reaches at a moment."""
        if moment not in self._roles:
            askers = self.editor, *self.editor.actors
            names = sorted({name for asker in askers for name in asker.principals})
            graphs, domains = self.old.policy.graphs.values(), (self.editor.tenant, "")
            ways = list(product(graphs, names, domains))
            self.budget.spend(_LOOK * (1 + len(ways)))
            self._roles[moment] = tuple(
                graph.reached(name, domain, moment) for graph, name, domain in ways
            )
        return self._roles[moment]

    def _of_editor(self, action: str, at: datetime) -> Condition:
        """Return what the editor holds at a moment, as things stand."""
        if (action, at) not in self._held:
            self._held[action, at] = self._decided(action, at)
        return self._held[action, at]

    def _decided(self, action: str, at: datetime) -> Condition:
        policy = self.old.policy
        self.budget.spend(_DECISION + _GROUP * len(policy.groups))
        try:
            decision = decide(policy, self.editor, action, at)
        except (RequestError, FilterTooLargeError):
            return NEVER  # A request that fails is refused.
        if not isinstance(decision, Permitted):
            return NEVER
        self.budget.spend(_RULE * len(decision.rules))
        return decision.predicate


def _sentence(claim: _Claim, action: str, lacks: str, *, gives: bool, fails: bool) -> str:
    """Return what the editor is told: which row could do what, and what they lack."""
    row, rule = _line(claim.edited), f"line {claim.rule.number}"
    leads = "" if claim.edited is claim.rule else f", which leads to {rule},"
    change = f"{row}{leads}" if claim.comes else f"without {row}{leads} the change"
    could = f"give `{action}`" if gives else f"take `{action}` away"
    why = f", since {rule} can fail" if fails else ""
    return f"{change} could {could} where the editor {lacks}{why}"


def tenant_of(policy: Policy, row: Row) -> str | None:
    """Return the tenant that a row names, or nothing if the model gives its kind none."""
    place = _tenant_place(policy, row)
    return None if place is None else row.values[place]


def _tenant_place(policy: Policy, row: Row) -> int | None:
    if row.kind in policy.model.roles:
        return 2 if policy.model.roles[row.kind].arity > 2 else None  # noqa: PLR2004 - a domain
    columns = policy.model.policies[row.kind]
    return next((place for place, one in enumerate(columns) if one in TENANT_COLUMNS), None)


def _surplus(one: Policy, other: Policy) -> Iterator[Row]:
    """Yield the rows that only one of two policies has; what stands twice counts twice."""
    left = Counter((row.kind, row.values) for row in other.rows)
    for row in one.rows:
        if left[row.kind, row.values]:
            left[row.kind, row.values] -= 1
        else:
            yield row


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
    meanings, deciding = Meanings(new), f"p{new.suffix}"
    for row in (*_surplus(old, new), *_surplus(new, old)):
        yield from _foreign(new, row, tenant)
        if row.kind == deciding and Action.POLICY_ADMINISTER in meanings.of(row):
            reason = "only an administrator says who administers the policy"
            yield Refusal(_line(row), Action.POLICY_ADMINISTER, reason)
    before, after = (
        [(row.kind, row.values) for row in policy.rows if tenant_of(policy, row) != tenant]
        for policy in (old, new)
    )
    if before != after and sorted(before) == sorted(after):
        yield Refusal(POLICY_FILE, "order", "rows of others may not change places")


def _foreign(policy: Policy, row: Row, tenant: str) -> Iterator[Refusal]:
    place = _tenant_place(policy, row)
    if place is None:
        reason = "the model gives rows of this kind no tenant, so they cannot be delegated"
        yield Refusal(_line(row), row.kind, reason)
    elif row.values[place] != tenant:
        columns = policy.model.policies.get(row.kind)
        reason = "is not a row of the editor's own tenant"
        yield Refusal(_line(row), row.kind, reason, columns[place] if columns else "domain")
    elif row.kind == f"p{policy.suffix}" and _reaches_others(policy, row, tenant):
        reason = "the model does not keep such a row to its tenant, so it cannot be delegated"
        yield Refusal(_line(row), row.kind, reason)


def _reaches_others(policy: Policy, row: Row, tenant: str) -> bool:
    """Say whether a row can apply in a tenant that the matcher can tell from all others."""
    matcher = ast.walk(parse(policy.model.matchers[f"m{policy.suffix}"]))
    texts = [one.value for one in matcher if isinstance(one, ast.Constant)]
    named = {one for one in (*texts, *row.values) if isinstance(one, str) and is_tenant(one)}
    others = {"elsewhere", f"{tenant}-elsewhere"} | named - {tenant}
    return any(mentions_of(policy).applies(row, one) for one in others)


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


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
