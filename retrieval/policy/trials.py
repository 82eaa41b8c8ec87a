"""The tests of a revision, run on the documents and people of record.

The laws of this file:

1. A test that names a document is about the label of record of each live document that has this id,
   or this path in the asker's tenant. A test that names a person is about who they are in the
   directory. A test of whom or of what there is none fails: it would hold of nothing.
2. Without an installation the other tests are run alone, and it is said how many were not.
3. Tests are run in the thread of changes; the event loop does nothing but wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime

from acl.decision import TENANT
from acl.gates.policy_tests import Person, PolicyTest, read_tests
from acl.gates.trial import Case, Failure, Trial
from acl.labels import AttributeType, Label, LabelSchema
from acl.policy.policy import Policy
from acl.records import Records
from acl.subject import Subject
from retrieval.access.subjects import DirectorySubjects
from retrieval.policy.gate import live_labels
from retrieval.rights.policy_source import PolicySource
from retrieval.rights.threads import for_change


@dataclass(frozen=True, slots=True)
class TestReport:
    """What the tests came to.

    Attributes:
        run: how many were run.
        left: how many name a document or a person, and were not run.
        failures: those that do not hold.
    """

    __test__ = False

    run: int
    left: int
    failures: tuple[Failure, ...]


def tried_alone(source: PolicySource, at: datetime) -> TestReport:
    """Run the tests that need no installation (law 2).

    Raises:
        PolicyError: the tests cannot be read.
    """
    tests = read_tests(source.texts.tests, source.policy.schema)
    cases = [
        _case(one, one.asker, one.about, at)
        for one in tests
        if isinstance(one.asker, Subject) and isinstance(one.about, Label)
    ]
    failures = tuple(_failures(source.policy, cases))
    return TestReport(len(cases), len(tests) - len(cases), failures)


async def tried(records: Records, source: PolicySource, at: datetime) -> TestReport:
    """Run every test (law 1).

    Raises:
        PolicyError: the tests cannot be read.
        RecordsError: the records cannot be asked.
    """
    policy = source.policy
    tests = await for_change(read_tests, source.texts.tests, policy.schema)
    if not tests:
        return TestReport(0, 0, ())
    record = _Record(records, policy.schema, at)
    found = [one async for one in record.cases(tests)]
    cases = [one for one in found if isinstance(one, Case)]
    failed = await for_change(lambda: tuple(_failures(policy, cases)))  # law 3
    missing = tuple(one for one in found if isinstance(one, Failure))
    return TestReport(len(tests), 0, (*missing, *failed))


def _failures(policy: Policy, cases: Iterable[Case]) -> Iterable[Failure]:
    listed = tuple(cases)
    trial = Trial(policy) if listed else None
    for case in listed:
        failure = trial and trial.failure(case)
        if failure:
            yield failure


def _case(test: PolicyTest, asker: Subject, label: Label, at: datetime) -> Case:
    return Case(
        place=test.place,
        subject=asker,
        action=test.action,
        label=label,
        at=test.at or at,
        permitted=test.permitted,
    )


@dataclass(slots=True)
class _Record:
    """What is of record at one moment."""

    records: Records
    schema: LabelSchema
    at: datetime
    _labels: tuple[Label, ...] | None = None

    async def cases(self, tests: Iterable[PolicyTest]) -> AsyncIterator[Case | Failure]:
        """Yield what is to be decided, or why a test is about nobody or nothing."""
        for test in tests:
            asker, labels = await self._asker(test.asker), await self._about(test)
            if asker is None:
                yield Failure(test.place, f"the directory has no active person `{test.asker}`")
                continue
            if not labels:
                yield Failure(test.place, f"there is no document `{test.about}`")
            for label in labels:
                yield _case(test, asker, label, self.at)

    async def _asker(self, asker: Subject | Person) -> Subject | None:
        if isinstance(asker, Subject):
            return asker
        known = DirectorySubjects(self.records.directory, self.schema.subject)
        return await known.subject(asker.tenant, asker.identity)

    async def _about(self, test: PolicyTest) -> tuple[Label, ...]:
        if isinstance(test.about, Label):
            return (test.about,)
        if not test.about.startswith("/"):
            found = await self.records.catalog.document(test.about)
            label = found.label_or_none(self.schema, self.at) if found else None
            return (label,) if label else ()
        if self._labels is None:
            self._labels = await live_labels(self.records, self.schema)
        paths = [one.name for one in self.schema.attributes.values() if one.type is _PATH]
        return tuple(
            label
            for label in self._labels
            if label.values[TENANT] == test.asker.tenant
            and any(label.values.get(name) == test.about for name in paths)
        )


_PATH = AttributeType.PATH
