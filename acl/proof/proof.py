"""The proof: the compiled decision against Casbin's `enforce`, pair by pair.

The laws of this file:

1. Casbin allows a pair if the guard holds for the label and `enforce` says so; whatever `enforce`
   raises denies. Strongroom allows it if a filter could be compiled and its predicate holds.
2. A pair on which they differ is a counterexample, in whichever direction.
3. Nothing is remembered from pair to pair but what the policy alone decides, so that any range of
   indexes gives the same result in any process.

The policy that is proved is read again from its rows by Casbin itself; what the two roads share is
the text of the policy, the subject's record and the label's JSON.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from acl.decision import Denied, Permitted, guard
from acl.engine.filter import to_filter
from acl.errors import AclError
from acl.labels import Label
from acl.language.casbin_adapter import Oracle
from acl.policy.compiler import examine
from acl.policy.decide import decide, known_columns, request_of
from acl.policy.names import mentions_of
from acl.policy.policy import Policy
from acl.predicate import Condition, Predicate, holds
from acl.proof.counterexample import Counterexample, Suspect
from acl.proof.pairs import Pair, Role
from acl.proof.plan import PlanSummary
from acl.subject import EVERYONE, Subject

MAX_SHOWN: Final = 20
"""Counterexamples that are kept; the rest are counted."""

STEP: Final = 200
_KEPT: Final = 20_000


class Pairs(Protocol):
    """A plan: pairs by index."""

    @property
    def summary(self) -> PlanSummary:
        """What it holds."""

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Yield the pairs from `start` up to `stop`."""


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
        suspects: every name that any of them concerns, however many are shown.
    """

    start: int
    stop: int
    allowed: int = 0
    wrong: int = 0
    shown: tuple[Counterexample, ...] = ()
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a proof is.

    Attributes:
        compared: pairs compared.
        of: pairs to compare.
        allowed: those that Casbin allows.
        wrong: those on which the two roads differ.
    """

    compared: int
    of: int
    allowed: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReport:
    """What a proof, or a part of it, came to.

    Attributes:
        policy_digest: of the policy that was proved.
        plan: which pairs there are.
        start: the first index of this part.
        stop: the index behind the last that was compared, without a gap.
        allowed: pairs that Casbin allows; if none or all, the proof says little.
        wrong: how many pairs differ.
        counterexamples: the first of them.
    """

    policy_digest: str
    plan: PlanSummary
    start: int
    stop: int
    allowed: int = 0
    wrong: int = 0
    counterexamples: tuple[Counterexample, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the plan was gone through and no pair differs."""
        return self.wrong == 0 and self.stop >= self.plan.gate

    @property
    def progress(self) -> Progress:
        """How far this part is."""
        return Progress(
            compared=self.stop - self.start,
            of=self.plan.gate - self.start,
            allowed=self.allowed,
            wrong=self.wrong,
        )

    def with_batch(self, batch: Batch) -> ProofReport:
        """Return the report with the batch that follows.

        Raises:
            ValueError: the batch does not begin where the report ends.
        """
        if batch.start != self.stop:
            raise ValueError(f"the batch begins at {batch.start}, not at {self.stop}")
        return ProofReport(
            policy_digest=self.policy_digest,
            plan=self.plan,
            start=self.start,
            stop=batch.stop,
            allowed=self.allowed + batch.allowed,
            wrong=self.wrong + batch.wrong,
            counterexamples=(*self.counterexamples, *batch.shown)[:MAX_SHOWN],
        )


def steps(
    proof: Proof, *, start: int = 0, stop: int | None = None, step: int = STEP
) -> Iterator[ProofReport]:
    """Compare from `start` up to `stop`, by default all; yield the report after each step.

    Whoever takes no further report has stopped the proof; `report.stop` is where it goes on.
    """
    gate = proof.plan.summary.gate
    end = gate if stop is None else min(stop, gate)
    report = proof.begun(start)
    yield report
    for first in range(start, end, step):
        report = report.with_batch(proof.batch(first, min(first + step, end)))
        yield report


class Proof:
    """A policy, a plan and a moment."""

    def __init__(
        self,
        policy: Policy,
        plan: Pairs,
        at: datetime,
        *,
        decider: Decider = decide,
        named: Collection[str] | None = None,
    ) -> None:
        """Have Casbin read the policy anew.

        Args:
            policy: what is proved.
            plan: on which pairs.
            at: the moment for which time-limited roles are decided.
            decider: what is to be proved.
            named: whom the policies name that the profiles come from; by default, this one.
        """
        self.plan = plan
        self._named = mentions_of(policy).everyone if named is None else named
        self._policy, self._at, self._decider = policy, at, decider
        self._oracle = Oracle(
            policy.model, policy.rows, policy.matching, policy.suffix, at=at, parse_once=True
        )
        self._kept: OrderedDict[Role, _Compiled] = OrderedDict()

    def begun(self, start: int) -> ProofReport:
        """Return the report of a part that begins at `start`."""
        return ProofReport(
            policy_digest=self._policy.digest, plan=self.plan.summary, start=start, stop=start
        )

    def batch(self, start: int, stop: int) -> Batch:
        """Compare the pairs from `start` up to `stop`."""
        allowed, wrong = 0, 0
        shown: list[Counterexample] = []
        suspects: dict[tuple[str, str], Suspect] = {}
        for index, pair in enumerate(self.plan.pairs(start, stop), start):
            role = self._compiled(pair.role)
            ours, theirs = role.allows(pair.label), self._enforced(role, pair.label)
            allowed += theirs
            if ours != theirs:
                wrong += 1
                found = self._counterexample(index, pair, role, casbin=theirs)
                shown += [found] if len(shown) < MAX_SHOWN else []
                for one in found.suspects:
                    suspects.setdefault((one.tenant, one.principal), one)
        return Batch(
            start=start,
            stop=stop,
            allowed=allowed,
            wrong=wrong,
            shown=tuple(shown),
            suspects=tuple(suspects.values()),
        )

    def _compiled(self, role: Role) -> _Compiled:
        found = self._kept.get(role)
        if found is None:
            found = self._kept[role] = self._compile(role)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _compile(self, role: Role) -> _Compiled:
        policy, subject, at = self._policy, role.profile, self._at
        fence = guard(policy.schema, subject.tenant)
        asked = request_of(policy, subject, role.action, at)
        try:
            decision = self._decider(policy, subject, role.action, at)
            if isinstance(decision, Denied):
                return _Compiled(fence, asked, None)
            to_filter(decision.predicate, policy.schema)
        except AclError as error:
            # Every request of this role would end in an error; nothing would be answered.
            return _Compiled(fence, asked, None, str(error))
        return _Compiled(fence, asked, decision.predicate)

    def _enforced(self, role: _Compiled, label: Label) -> bool:
        if not holds(role.fence, label):
            return False
        request = enforced_request(self._policy, role.asked, label)
        if request is None:
            return False
        try:
            return self._oracle.enforce(*request)
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies
            return False

    def _counterexample(
        self, index: int, pair: Pair, role: _Compiled, *, casbin: bool
    ) -> Counterexample:
        return Counterexample(
            index=index,
            profile=pair.role.profile,
            action=pair.role.action,
            label=pair.label,
            compiled=not casbin,
            casbin=casbin,
            roles=self._roles(pair.role.profile),
            rules=self._rules(role.asked),
            error=role.error,
        )

    def _roles(self, profile: Subject) -> tuple[str, ...]:
        if profile.groups:
            return tuple(sorted(profile.groups))
        return (profile.id if profile.id in self._named else EVERYONE,)

    def _rules(self, asked: Mapping[str, object]) -> tuple[str, ...]:
        try:
            rows = examine(self._policy, asked, self._at).rows
        except AclError:
            return ()
        return tuple(f"line {row.number}: {', '.join((row.kind, *row.values))}" for row in rows)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What one role may do: the guard, its side of the request, the predicate if there is one."""

    fence: Condition
    asked: Mapping[str, object]
    predicate: Predicate | None
    error: str = ""

    def allows(self, label: Label) -> bool:
        return self.predicate is not None and holds(self.predicate, label)


def enforced_request(
    policy: Policy, asked: Mapping[str, object], label: Label
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
            request.append(asked[column])
        elif f"{prefix}_{column}" not in policy.bare:
            request.append(record)
        elif column in record:
            request.append(record[column])
        else:
            return None
    return tuple(request)
