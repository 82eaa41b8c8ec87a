"""One set from its text to its report: compiled, asked of every engine, compared with Casbin."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from acl.admission.admission import NO_ACTION, admit, read_csv
from acl.admission.values import NO_NAME
from acl.decision import Permitted
from acl.engine.filter import to_filter
from acl.errors import AclError, PolicyError
from acl.labels import LabelSchema
from acl.language.casbin_adapter import (
    CasbinError,
    Model,
    RoleMatching,
    Row,
    parse_model,
)
from acl.language.model_file import read_model_file
from acl.policy.compiler import compile_request
from acl.policy.policy import RESOURCE_COLUMNS, Policy, load
from acl.predicate import Predicate, holds
from tests.conformance.casbin.cases import Case, Expected
from tests.conformance.casbin.door import refused
from tests.conformance.casbin.engines import Engines
from tests.conformance.casbin.labelling import Resource, flattened, resource, schemas
from tests.conformance.casbin.lines import read_lines
from tests.conformance.casbin.oracle import MAX_DECISIONS, Answer, Table, tabulate

EVALUATOR: Final = "evaluator"
_ROW: Final = re.compile(r"policy\.csv line (\d+)")
_PATHS: Final = re.compile(r"(keyMatch\d?|globMatch)\s*\(")
_EXAMPLES: Final = 5


@dataclass(slots=True)
class Tally:
    """How often one engine and `enforce` disagreed."""

    over: int = 0
    under: int = 0


@dataclass(slots=True)
class Report:
    """What became of one set.

    Attributes:
        case: the set.
        refused: why it was refused as a whole, or nothing.
        refused_rows: rows that were refused by name and left out of the comparison.
        refused_requests: askers for whom no filter exists; they get nothing.
        decisions: requests compared.
        allowed: requests that Casbin allows.
        raised: requests for which Casbin raises.
        tallies: disagreements by engine.
        hole: requests with an empty value that Casbin allows because there is no row at all.
        quarantined: requests about a resource that cannot be labelled.
        quarantined_allowed: those of them that Casbin allows.
        filters: distinct predicates.
        agrees: whether Casbin answered as the manifest recorded.
        examples: the first disagreements.
        at_door: why the product's door refuses it; empty if it gets in, None if it was not asked.
    """

    case: Case
    refused: tuple[str, ...] = ()
    refused_rows: tuple[str, ...] = ()
    refused_requests: int = 0
    decisions: int = 0
    allowed: int = 0
    raised: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    hole: int = 0
    quarantined: int = 0
    quarantined_allowed: int = 0
    filters: int = 0
    agrees: bool | None = None
    examples: list[str] = field(default_factory=list)
    at_door: tuple[str, ...] | None = None

    @property
    def over(self) -> int:
        """Requests that some engine answered with more than Casbin allows."""
        return max((one.over for one in self.tallies.values()), default=0)

    @property
    def under(self) -> int:
        """Requests that some engine answered with less than Casbin allows."""
        return max((one.under for one in self.tallies.values()), default=0)

    @property
    def passes(self) -> bool:
        """Whether the set became what it had to, and no engine disagreed."""
        if self.over or self.under:
            return False
        match self.case.expected:
            case Expected.REFUSED:
                return bool(self.refused)
            case Expected.PART:
                return not self.refused
            case Expected.UNKNOWN:
                return True
            case Expected.FULL | Expected.PREPARED | Expected.CONSTANT:
                return not self.refused and not self.refused_rows


@dataclass(frozen=True, slots=True)
class Compiled:
    """A set that was accepted, without the rows that were not."""

    policy: Policy
    refused_rows: tuple[str, ...]
    dropped: frozenset[int]


class RefusedError(Exception):
    """The whole set was refused."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


async def run_case(case: Case, engines: Engines, *, door: bool = False) -> Report:
    """Compile a set and compare every decision; with `door`, ask the product's door as well."""
    report = Report(case)
    try:
        table = tabulate(case)
        report.agrees = _agrees(table, case)
    except Exception as error:  # noqa: BLE001 - Casbin raises what it likes
        table, report.agrees = None, None if not case.recorded else _recorded_error(case)
        report.refused = (f"Casbin cannot load it ({type(error).__name__})",)
    try:
        model = parse_model(case.model)
        compiled = _compiled(case, model, table)
    except (CasbinError, RefusedError) as error:
        report.refused = getattr(error, "reasons", (str(error),))
        return report
    if door:
        report.at_door = refused(case, model, table, _schemas(case, model, table))
    if case.expected is Expected.REFUSED:
        report.refused = _refused_at_the_door(case, compiled.policy)
        return report
    if table is None:
        return report
    report.refused_rows = compiled.refused_rows
    if compiled.dropped:
        table = tabulate(case, without=compiled.dropped)
    await _Comparison(report, compiled.policy, model, table, engines).run()
    return report


def _agrees(table: Table, case: Case) -> bool | None:
    if not case.recorded:
        return None
    counted = {str(one): table.count(one) for one in Answer}
    digest = case.recorded.get("sha256", table.digest)
    same = all(case.recorded.get(name, number) == number for name, number in counted.items())
    return same and digest == table.digest


def _recorded_error(case: Case) -> bool:
    return bool(case.recorded.get("load") == "error")


def _compiled(case: Case, model: Model, table: Table | None) -> Compiled:
    """Load the set under the first schema that fits; leave refused rows out.

    Raises:
        RefusedError: no schema fits, or the model itself is refused.
    """
    reasons: tuple[str, ...] = ()
    best: Compiled | None = None
    for schema in _schemas(case, model, table):
        try:
            found = _loaded(case, model, schema)
        except RefusedError as error:
            reasons = reasons or error.reasons
            continue
        if best is None or len(found.dropped) < len(best.dropped):
            best = found
        if not found.dropped:
            break
    if best is None:
        raise RefusedError(reasons)
    return best


def _schemas(case: Case, model: Model, table: Table | None) -> Iterable[LabelSchema]:
    columns = _resource_columns(case, model)
    if table is None:
        return schemas([dict.fromkeys(columns, "text")], paths=True)
    paths = bool(case.matching) or bool(_PATHS.search(case.model + case.policy))
    raws = [flattened(columns, one) for one in itertools.product(*_of_resource(case, model, table))]
    return schemas(raws, paths=paths)


def _request_columns(case: Case, model: Model) -> tuple[str, ...]:
    return model.requests.get(f"r{case.suffix}", ())


def _resource_columns(case: Case, model: Model) -> list[str]:
    return [one for one in _request_columns(case, model) if one in RESOURCE_COLUMNS]


def _of_resource(case: Case, model: Model, table: Table) -> list[list[Any]]:
    columns = _request_columns(case, model)
    pairs = zip(columns, table.values, strict=True)
    return [values for column, values in pairs if column in RESOURCE_COLUMNS]


def _loaded(case: Case, model: Model, schema: LabelSchema) -> Compiled:
    rows: Sequence[Row] = read_lines(case.policy, model)
    refused: list[str] = []
    dropped: set[int] = set()
    while True:
        try:
            policy = load(case.model, rows, schema, matching=_matching(case), suffix=case.suffix)
        except PolicyError as error:
            places = [_ROW.match(one.where) for one in error.refusals]
            if not all(places) or case.expected is Expected.REFUSED:
                raise RefusedError(map(str, error.refusals)) from error
            refused += map(str, error.refusals)
            dropped |= {int(one[1]) for one in places if one}
            rows = [row for row in rows if row.number not in dropped]
        else:
            return Compiled(policy, tuple(refused), frozenset(dropped))


def _matching(case: Case) -> Mapping[str, RoleMatching]:
    return {
        kind: RoleMatching(_casbin_name(by.get("match")), _casbin_name(by.get("domain")))
        for kind, by in case.matching.items()
    }


def _casbin_name(name: str | None) -> str | None:
    """Return the name under which a matcher calls a function of Casbin's `util`."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name) if name else None


def _refused_at_the_door(case: Case, policy: Policy) -> tuple[str, ...]:
    """Return why the strict reading refuses a set that means something to Casbin.

    The actions and the names of a set are its own; that they are none of ours is no reason.
    """
    if written := read_model_file(case.model).refusals:
        return tuple(f"at admission: {one}" for one in written)
    try:
        rows = read_csv(case.policy)
        admit(load(case.model, rows, policy.schema, matching=policy.matching, suffix=case.suffix))
    except PolicyError as error:
        found = (one for one in error.refusals if not one.reason.startswith((NO_ACTION, NO_NAME)))
        return tuple(f"at admission: {one}" for one in found)
    return ()


@dataclass(slots=True)
class _Comparison:
    report: Report
    policy: Policy
    model: Model
    table: Table
    engines: Engines
    resources: dict[tuple[int, ...], Resource] = field(default_factory=dict)
    askers: dict[tuple[int, ...], Predicate | None] = field(default_factory=dict)

    async def run(self) -> None:
        case = self.report.case
        # Casbin's own window function reads the wall clock, whatever its zone.
        now = datetime.now().replace(tzinfo=UTC)  # noqa: DTZ005
        columns = _request_columns(case, self.model)
        split = _Split(columns, self.table)
        for _, known, of_resource in split.requests():
            if of_resource not in self.resources:
                self.resources[of_resource] = self._resource(split.resource(of_resource))
            if known not in self.askers:
                self.askers[known] = self._predicate(split.asker(known), now)
        labelled = [key for key, one in self.resources.items() if one.label is not None]
        asked = list(dict.fromkeys(one for one in self.askers.values() if one is not None))
        self.report.filters = len(asked)
        for mode, returned in (await self._answers(labelled, asked)).items():
            self._compare(split, mode, returned)
        self._count(split)

    def _resource(self, values: tuple[Any, ...]) -> Resource:
        columns = _resource_columns(self.report.case, self.model)
        return resource(values, flattened(columns, values), self.policy.schema)

    def _predicate(self, request: Mapping[str, Any], now: datetime) -> Predicate | None:
        try:
            decision = compile_request(self.policy, request, now)
            if not isinstance(decision, Permitted):
                return None
            to_filter(decision.predicate, self.policy.schema)
        except AclError as error:
            self.report.refused_requests += 1
            self._example("refused", f"{request}: {error}")
            return None
        return decision.predicate

    async def _answers(
        self, labelled: list[tuple[int, ...]], asked: list[Predicate]
    ) -> dict[str, dict[Predicate, frozenset[tuple[int, ...]]]]:
        labels = [one for key in labelled if (one := self.resources[key].label) is not None]
        answers: dict[str, dict[Predicate, frozenset[tuple[int, ...]]]] = {
            EVALUATOR: {
                predicate: frozenset(
                    key
                    for key, label in zip(labelled, labels, strict=True)
                    if holds(predicate, label)
                )
                for predicate in asked
            }
        }
        for mode in self.engines.modes:
            found = await self.engines.returned(mode, self.policy.schema, labels, asked)
            answers[mode] = {
                predicate: frozenset(labelled[position] for position in positions)
                for predicate, positions in zip(asked, found, strict=True)
            }
        return answers

    def _compare(
        self,
        split: _Split,
        mode: str,
        returned: Mapping[Predicate, frozenset[tuple[int, ...]]],
    ) -> None:
        tally = self.report.tallies.setdefault(mode, Tally())
        for position, known, of_resource in split.requests():
            predicate = self.askers[known]
            got = predicate is not None and of_resource in returned[predicate]
            want = self.table.answers[position] is Answer.ALLOW
            if got == want or self._excused(split, known, of_resource):
                continue
            tally.over += got
            tally.under += want
            kind = "over-grant" if got else "under-grant"
            request = split.asker(known), split.resource(of_resource)
            self._example(kind, f"{mode}: {request}: {predicate}")

    def _excused(self, split: _Split, known: tuple[int, ...], of_resource: tuple[int, ...]) -> bool:
        """Say whether a missing grant is one of the two documented ones, counted by themselves."""
        return self.resources[of_resource].label is None or self._hole(split, known)

    def _hole(self, split: _Split, known: tuple[int, ...]) -> bool:
        return not self.policy.rules and "" in split.asker(known).values()

    def _count(self, split: _Split) -> None:
        report = self.report
        for position, known, of_resource in split.requests():
            answer = self.table.answers[position]
            allowed = answer is Answer.ALLOW
            report.decisions += 1
            report.allowed += allowed
            report.raised += answer is Answer.ERROR
            if self.resources[of_resource].label is None:
                report.quarantined += 1
                report.quarantined_allowed += allowed
            elif allowed and self._hole(split, known):
                report.hole += 1

    def _example(self, kind: str, text: str) -> None:
        if len(self.report.examples) < _EXAMPLES:
            self.report.examples.append(f"{kind}: {text}")


class _Split:
    """The requests of a table, each as an asker's side and a resource's side, by position."""

    def __init__(self, columns: Sequence[str], table: Table) -> None:
        self._columns, self._values = columns, table.values
        places = range(len(columns))
        self._of_resource = [place for place in places if columns[place] in RESOURCE_COLUMNS]
        self._known = [place for place in places if columns[place] not in RESOURCE_COLUMNS]

    def requests(self) -> Iterable[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        product = itertools.product(*(range(len(one)) for one in self._values))
        for position, indices in enumerate(itertools.islice(product, MAX_DECISIONS)):
            known = tuple(indices[place] for place in self._known)
            yield position, known, tuple(indices[place] for place in self._of_resource)

    def asker(self, known: tuple[int, ...]) -> dict[str, Any]:
        pairs = zip(self._known, known, strict=True)
        return {self._columns[place]: self._values[place][index] for place, index in pairs}

    def resource(self, of_resource: tuple[int, ...]) -> tuple[Any, ...]:
        pairs = zip(self._of_resource, of_resource, strict=True)
        return tuple(self._values[place][index] for place, index in pairs)
