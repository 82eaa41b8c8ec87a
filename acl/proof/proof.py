"""The proof: the compiled decision against Casbin's `enforce`, pair by pair.

The laws of this file:

1. Casbin allows a pair if the oracle does (laws 4 to 6). Strongroom allows it if a filter could be
   compiled and its predicate holds.
2. A pair on which they differ is a counterexample, in whichever direction.
3. Nothing is remembered from pair to pair but what the policy alone decides, so that any range of
   indexes gives the same result in any process.
4. The oracle allows a label if the guard holds for it and `enforce` says so, for the subject and
   for each of its actors. Anything that `enforce` raises denies.
5. Casbin reads the policy again from its rows. What it shares with the compiler is the text of the
   policy, the subject's record and the label's JSON.
6. One question at a time: each text is parsed once, and what was parsed is not for two threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Final, TypeAlias

from acl.decision import Denied, Permitted, guard
from acl.engine.filter import to_filter
from acl.errors import AclError
from acl.labels import Label
from acl.policy.compiler import examine
from acl.policy.decide import decide, known_columns, request_of
from acl.policy.policy import Policy
from acl.predicate import Condition, Predicate, holds
from acl.proof.counterexample import Counterexample, said_of
from acl.proof.labels import Role
from acl.proof.plan import PlanSummary, ProofPlan
from acl.subject import Subject

# Each question brings its own moment.
_UNASKED: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A request without the label.

    Attributes:
        fence: the guard.
        askers: the columns of the subject, and those of each of its actors.
        at: the moment for which time-limited roles are decided.
    """

    fence: Condition
    askers: tuple[Mapping[str, object], ...]
    at: datetime


class PolicyOracle:
    """Asks Casbin about one policy."""

    def __init__(self, policy: Policy) -> None:
        """Have Casbin read the policy anew (law 5)."""
        self._policy = policy
        self._casbin = policy.oracle(_UNASKED, parse_once=True)
        # A row as Casbin was given it, and as its author wrote it.
        self._written = dict(
            zip((row.values for row in self._casbin.rows), policy.rows, strict=True)
        )
        self._alone = Lock()

    def request(self, subject: Subject, action: str, at: datetime) -> Request:
        """Return the request of `subject`, to be asked about labels."""
        policy = self._policy
        askers = tuple(request_of(policy, one, action, at) for one in (subject, *subject.actors))
        return Request(guard(policy.schema, subject.tenant), askers, at)

    def allows(self, request: Request, label: Label) -> bool:
        """Say whether Casbin allows the request about `label` (law 4)."""
        if not holds(request.fence, label):
            return False
        with self._alone:  # law 6
            self._casbin.at = request.at
            return all(self._enforced(asker, label)[0] for asker in request.askers)

    def counterexample(
        self, profile: Subject, action: str, label: Label, at: datetime, *, error: str | None = None
    ) -> Counterexample:
        """Return a pair on which the filter says the opposite, with the rules of both sides.

        Args:
            profile: who asks.
            action: what for.
            label: about which label.
            at: the moment for which time-limited roles are decided.
            error: why no filter could be compiled.
        """
        request = self.request(profile, action, at)
        casbin = self.allows(request, label)
        return Counterexample(
            profile=profile,
            action=action,
            label=label,
            compiled=not casbin,
            casbin=casbin,
            error=error or "",
            filter_rule="" if error else self._of_filter(request, label, allows=not casbin),
            casbin_rule=self._of_casbin(request, label),
        )

    def _of_filter(self, request: Request, label: Label, *, allows: bool) -> str:
        """Return the row by which the filter allows or denies `label`, in words."""
        policy, effect = self._policy, "allow" if allows else "deny"
        for asker in request.askers:
            examined = examine(policy, asker, request.at)
            for row in examined.rows:
                if policy.effect_of(row) == effect and holds(
                    examined.outcome(policy.term, row).true, label
                ):
                    return said_of(row)
        return ""

    def _of_casbin(self, request: Request, label: Label) -> str:
        """Return the row or the guard by which Casbin allows or denies `label`, in words."""
        if not holds(request.fence, label):
            return "the guard of the tenant"
        with self._alone:
            self._casbin.at = request.at
            found = [self._enforced(asker, label) for asker in request.askers]
        _, values = min(found, key=lambda one: one[0])
        row = self._written.get(values)
        return "" if row is None else said_of(row)

    def _enforced(self, asker: Mapping[str, object], label: Label) -> tuple[bool, tuple[str, ...]]:
        """Return Casbin's decision, and the row that it names for it."""
        columns = enforced_request(self._policy, asker, label)
        if columns is None:
            return False, ()
        try:
            return self._casbin.explained(*columns)
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies (law 4)
            return False, ()


def enforced_request(
    policy: Policy, asker: Mapping[str, object], label: Label
) -> tuple[object, ...] | None:
    """Return the request about `label` as `enforce` takes it.

    A column that the matcher compares by itself is the label's attribute of that name; a label
    without it cannot be asked about, and there is no request.
    """
    prefix, columns = policy.names.request
    record, known = label.as_json(), set(known_columns(policy))
    request: list[object] = []
    for column in columns:
        if column in known:
            request.append(asker[column])
        elif f"{prefix}_{column}" not in policy.bare:
            request.append(record)
        elif column in record:
            request.append(record[column])
        else:
            return None
    return tuple(request)


MAX_SHOWN: Final = 20
"""Counterexamples that are kept; the rest are counted."""

_KEPT: Final = 20_000


Decider: TypeAlias = Callable[[Policy, Subject, str, datetime], Permitted | Denied]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a range of pairs came to.

    Attributes:
        start: the first index.
        stop: the index behind the last.
        allowed: pairs that Casbin allows.
        wrong: how many pairs differ.
        shown: the first of them.
    """

    start: int
    stop: int
    allowed: int = 0
    wrong: int = 0
    shown: tuple[Counterexample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a proof is: pairs compared, and pairs to compare."""

    compared: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReport:
    """What a proof came to so far.

    Attributes:
        policy_digest: of the policy that was proved.
        plan: which pairs there are.
        stop: the index behind the last that was compared, without a gap.
        allowed: pairs that Casbin allows; if none or all, the proof says little.
        wrong: how many pairs differ.
        counterexamples: the first of them.
    """

    policy_digest: str
    plan: PlanSummary
    stop: int = 0
    allowed: int = 0
    wrong: int = 0
    counterexamples: tuple[Counterexample, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the gate was gone through and no pair differs."""
        return self.wrong == 0 and self.stop >= self.plan.gate

    @property
    def is_whole(self) -> bool:
        """Whether the whole plan was gone through and no pair differs."""
        return self.wrong == 0 and self.stop >= self.plan.whole

    def with_batch(self, batch: Batch) -> ProofReport:
        """Return the report with the batch that follows.

        Raises:
            ValueError: the batch does not begin where the report ends.
        """
        if batch.start != self.stop:
            raise ValueError(f"the batch begins at {batch.start}, not at {self.stop}")
        return replace(
            self,
            stop=batch.stop,
            allowed=self.allowed + batch.allowed,
            wrong=self.wrong + batch.wrong,
            counterexamples=(*self.counterexamples, *batch.shown)[:MAX_SHOWN],
        )


class Proof:
    """A policy, a plan and a moment."""

    def __init__(
        self,
        policy: Policy,
        plan: ProofPlan,
        at: datetime,
        *,
        decider: Decider = decide,
    ) -> None:
        """Have Casbin read the policy anew.

        Args:
            policy: what is proved.
            plan: on which pairs.
            at: the moment for which time-limited roles are decided.
            decider: what is to be proved.
        """
        self.plan = plan
        self._policy, self._at, self._decider = policy, at, decider
        self._oracle = PolicyOracle(policy)
        self._kept: OrderedDict[Role, _Compiled] = OrderedDict()

    def begun(self) -> ProofReport:
        """Return the report of a proof that begins."""
        return ProofReport(policy_digest=self._policy.digest, plan=self.plan.summary)

    def batch(self, start: int, stop: int) -> Batch:
        """Compare the pairs from `start` up to `stop`."""
        allowed, wrong = 0, 0
        shown: list[Counterexample] = []
        for pair in self.plan.pairs(start, stop):
            role = self._compiled(pair.role)
            theirs = self._oracle.allows(role.request, pair.label)
            allowed += theirs
            if role.allows(pair.label) != theirs:  # law 2
                wrong += 1
                if len(shown) < MAX_SHOWN:
                    asked = pair.role.profile, pair.role.action, pair.label, self._at
                    shown.append(self._oracle.counterexample(*asked, error=role.error))
        return Batch(start=start, stop=stop, allowed=allowed, wrong=wrong, shown=tuple(shown))

    def _compiled(self, role: Role) -> _Compiled:
        found = self._kept.get(role)
        if found is None:
            found = self._kept[role] = self._compile(role)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _compile(self, role: Role) -> _Compiled:
        policy, subject, at = self._policy, role.profile, self._at
        request = self._oracle.request(subject, role.action, at)
        try:
            decision = self._decider(policy, subject, role.action, at)
            if isinstance(decision, Denied):
                return _Compiled(request, None)
            to_filter(decision.predicate, policy.schema)
        except AclError as error:
            # Every request of this role would end in an error; nothing would be answered.
            return _Compiled(request, None, str(error))
        return _Compiled(request, decision.predicate)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What one role may do: its request for Casbin, and the predicate if there is one."""

    request: Request
    predicate: Predicate | None
    error: str = ""

    def allows(self, label: Label) -> bool:
        return self.predicate is not None and holds(self.predicate, label)
