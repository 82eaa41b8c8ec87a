"""What is wanted of a policy, whose rows it touches, what comes of it, and why it is turned down.

The laws of this file:

1. A small change adds and removes rows. Comments, order and every other line stay to the letter, so
   that what was written for people is not lost, and what was not changed cannot change.
2. A row belongs to the tenant that it names; a row that names none, or any, concerns everybody. So
   do the model and the matching functions, which give every row its meaning.
3. A line that is no row of a tenant is no business of those who administer that tenant alone:
   comments can be about others. Nor are the tests, which can name documents of others.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from acl.admission.admission import read_csv
from acl.errors import AclError, PolicyError, Refusal
from acl.gates.policy_tests import TESTS_FILE
from acl.gates.trial import Failure
from acl.labels import LabelSchema
from acl.language.casbin_adapter import Row
from acl.language.matching_file import MATCHING_FILE
from acl.language.model_file import MODEL_FILE
from acl.language.rules_file import POLICY_FILE
from acl.policy.delegation import Overreach, Verdict, tenant_of
from acl.policy.policy import Policy, load
from acl.proof.counterexample import Counterexample
from acl.proof.proof import ProofReport
from acl.records import Mismatch, PolicyRevision, RevisionTexts
from acl.subject import is_tenant
from retrieval.rights.policy_source import PolicySource

ELSEWHERE: Final = "a counter-example that concerns another tenant"
_TESTS_OF_ALL: Final = "holds for every tenant; only an administrator of all of them changes it"
MAX_DELEGATED: Final = 100
"""Lines that somebody without `policy:administer` adds and removes at once; each is judged."""

_SHOWN: Final = 3
_LONGEST: Final = 2000
_Key = tuple[str, tuple[str, ...]]


class UnchangedError(AclError):
    """What is proposed is what is in effect already."""

    def __init__(self) -> None:
        super().__init__("the proposal changes nothing")


@dataclass(frozen=True, slots=True)
class Difference:
    """What one policy says and another does not.

    Attributes:
        added: rows of the second that the first lacks, as they stand.
        removed: rows of the first that the second lacks.
        model_changed: whether the model differs.
        matching_changed: whether the matching functions differ.
        tests_changed: whether the tests differ.
        text: all texts compared line by line, as `diff -u` writes it.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    model_changed: bool
    matching_changed: bool
    tests_changed: bool
    text: str


def changed(rules: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> str:
    """Return the rules with some lines removed, and others added at the end.

    Raises:
        PolicyError: a line to remove is not there, or a line is not one row.
    """
    unwanted = {
        _key(_row(line, f"removed line {number}")): line
        for number, line in enumerate(remove, start=1)
    }
    added = [_checked(line, f"added line {number}") for number, line in enumerate(add, start=1)]
    kept, found = list[str](), set[_Key]()
    for line in rules.split("\n"):
        rows = read_csv(line)
        key = _key(rows[0]) if rows else None
        if key is not None and key in unwanted:
            found.add(key)
            continue
        kept.append(line)
    missing = [line for key, line in unwanted.items() if key not in found]
    if missing:
        reason = "is not a rule of the policy in effect"
        raise PolicyError(tuple(Refusal(POLICY_FILE, one[:80], reason) for one in missing))
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join([*kept, *added]) + "\n"


def difference(before: RevisionTexts, after: RevisionTexts) -> Difference:
    """Return what differs between two revisions.

    Raises:
        PolicyError: a text is not comma-separated rows.
    """
    old, new = read_csv(before.rules), read_csv(after.rules)
    return Difference(
        added=_beyond(new, old),
        removed=_beyond(old, new),
        model_changed=before.model != after.model,
        matching_changed=before.matching != after.matching,
        tests_changed=before.tests != after.tests,
        text="".join(
            (
                *_compared(before.model, after.model, MODEL_FILE),
                *_compared(before.rules, after.rules, POLICY_FILE),
                *_compared(before.matching, after.matching, MATCHING_FILE),
                *_compared(before.tests, after.tests, TESTS_FILE),
            )
        ),
    )


def as_line(row: Row) -> str:
    """Return a row as it can stand in policy.csv."""
    return ", ".join((row.kind, *map(_quoted, row.values)))


def _quoted(value: str) -> str:
    if any(one in value for one in ',"#') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _beyond(rows: Iterable[Row], others: Iterable[Row]) -> tuple[str, ...]:
    known = {_key(one) for one in others}
    return tuple(as_line(one) for one in rows if _key(one) not in known)


def _compared(before: str, after: str, name: str) -> Iterable[str]:
    lines = difflib.unified_diff(
        before.split("\n"), after.split("\n"), f"a/{name}", f"b/{name}", lineterm=""
    )
    return (f"{line}\n" for line in lines)


def _checked(line: str, where: str) -> str:
    _row(line, where)
    return line


def _row(line: str, where: str) -> Row:
    """Return the row that a line is; `where` tells whoever sent it which one is meant."""
    if "\n" in line or "\r" in line:
        raise PolicyError((Refusal(where, "row", "a row is one line"),))
    try:
        rows = read_csv(line)
    except PolicyError as error:
        raise PolicyError(tuple(replace(one, where=where) for one in error.refusals)) from None
    if len(rows) != 1:
        raise PolicyError((Refusal(where, line[:80], "is not a row"),))
    return rows[0]


def _key(row: Row) -> _Key:
    return row.kind, row.values


class OverreachError(AclError):
    """A change reaches beyond the rights of whoever makes it.

    Attributes:
        reasons: one sentence for each thing that goes too far.
    """

    def __init__(self, verdict: Verdict) -> None:
        found = (verdict.sentence,) if isinstance(verdict, Overreach) else map(str, verdict)
        self.reasons = tuple(found)
        super().__init__("\n".join(self.reasons))


class RefutedError(AclError):
    """The compiled filter and the policy differ, so the revision does not take effect.

    Attributes:
        report: what was found.
        shown: counter-examples in words: of one tenant if one is given, and of others only that
            there is one.
    """

    def __init__(self, report: ProofReport, *, tenant: str | None = None) -> None:
        self.report = report
        self.shown = visible(mismatches_of(report.counterexamples), tenant, limit=_SHOWN)
        super().__init__(f"the proof failed on {report.wrong} pair(s): {'; '.join(self.shown[:1])}")

    def for_tenant(self, tenant: str | None) -> RefutedError:
        """Return the error as people of a tenant may see it; without one, as it is."""
        return RefutedError(self.report, tenant=tenant)


def mismatches_of(found: Iterable[Counterexample]) -> tuple[Mismatch, ...]:
    """Return counter-examples in words, as they are kept."""
    return tuple(Mismatch(one.tenant, str(one)[:_LONGEST]) for one in found)


def visible(
    found: Iterable[Mismatch], tenant: str | None, *, limit: int | None = None
) -> tuple[str, ...]:
    """Return counter-examples as people of a tenant may see them; without one, all.

    Args:
        found: the counter-examples.
        tenant: whose people look at them.
        limit: how many are told at most; beside them it is said that there are others'.
    """
    every = tuple(found)
    mine = tuple(one.text for one in every if tenant in {None, one.tenant})
    others = () if len(mine) == len(every) else (ELSEWHERE,)
    return (*mine[:limit], *others)


class FailedTestsError(AclError):
    """Tests of a revision do not hold, so it does not take effect.

    Attributes:
        failures: which, and why.
        shown: what is told: to people of one tenant, only how many there are.
    """

    def __init__(self, failures: Sequence[Failure], *, everywhere: bool = True) -> None:
        self.failures = tuple(failures)
        self.shown = told_of(failures, everywhere=everywhere)
        super().__init__("\n".join(self.shown))


def told_of(failures: Sequence[Failure], *, everywhere: bool) -> tuple[str, ...]:
    """Return tests that fail in words: to people of one tenant, only how many (law 3)."""
    if everywhere or not failures:
        return tuple(map(str, failures))
    return (f"{len(failures)} of the tests that administrators of every tenant wrote do not hold",)


class FourEyesError(AclError):
    """Somebody else has to activate a proposal."""

    def __init__(self) -> None:
        super().__init__("who proposed a revision cannot activate it; another has to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is wanted of the policy: whole texts, or rules added and removed.

    Attributes:
        model: the whole model, or None for the one in effect.
        rules: the whole of policy.csv, or None for the one in effect with the changes below.
        matching: the whole of matching.toml, `""` for none, or None for the one in effect.
        tests: the whole of tests.toml, likewise.
        add: rows to add.
        remove: rows to remove.
    """

    model: str | None = None
    rules: str | None = None
    matching: str | None = None
    tests: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied(self, base: RevisionTexts) -> RevisionTexts:
        """Return the texts that result.

        Raises:
            PolicyError: a row to remove is not there, or a row to add is not one row.
        """
        rules = base.rules if self.rules is None else self.rules
        if self.add or self.remove:
            rules = changed(rules, add=self.add, remove=self.remove)
        return RevisionTexts(
            model=self.model or base.model,
            rules=rules,
            matching=base.matching if self.matching is None else self.matching,
            tests=base.tests if self.tests is None else self.tests,
        )

    @classmethod
    def whole(cls, texts: RevisionTexts) -> Edit:
        """Return the edit that replaces everything."""
        return cls(**asdict(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    """A revision that took effect, with the proof that let it."""

    revision: PolicyRevision
    proof: ProofReport


def of_tenant(policy: Policy, tenant: str) -> str:
    """Return the rows of a tenant and those that name none, without comments (law 3)."""
    return "".join(
        f"{as_line(row)}\n" for row in policy.rows if _open_to(tenant_of(policy, row), tenant)
    )


def concerns(
    before: RevisionTexts | None, after: RevisionTexts, tenant: str, schema: LabelSchema
) -> bool:
    """Say whether a change concerns a tenant (law 2); what cannot be read does not.

    Args:
        before: what it replaces, or `None` for the first revision.
        after: what it says.
        tenant: whose rows are asked about.
        schema: of the labels.
    """
    if before is None or (before.model, before.matching) != (after.model, after.matching):
        return True
    try:
        rows = read_csv("\n".join(_differing(before.rules, after.rules)))
        policy = load(after.model, rows, schema)
    except PolicyError:
        return False
    return any(_open_to(tenant_of(policy, row), tenant) for row in policy.rows)


def seen_by(policy: Policy, tenant: str | None) -> Policy:
    """Return a policy with the rows that people of a tenant may see; without one, as it is."""
    if tenant is None:
        return policy
    return policy.with_rows(
        [row for row in policy.rows if _open_to(tenant_of(policy, row), tenant)]
    )


def rows_added(before: Policy, after: Policy, tenant: str | None) -> tuple[Row, ...]:
    """Return the rows of `after` that are new, as far as people of a tenant may see them.

    Without a tenant all are told. Under another model every row is new.
    """
    kept = {_key(row) for row in before.rows if before.model.text == after.model.text}
    return tuple(
        row
        for row in after.rows
        if _key(row) not in kept and (tenant is None or _open_to(tenant_of(after, row), tenant))
    )


def require_few(old: RevisionTexts, new: RevisionTexts) -> None:
    """Check that a change is small enough for somebody who edits within a region.

    Raises:
        OverreachError: it is not.
    """
    count = sum(1 for _ in _differing(old.rules, new.rules))
    if count > MAX_DELEGATED:
        reason = f"an editor changes at most {MAX_DELEGATED} lines at once; propose them in parts"
        raise OverreachError((Refusal(POLICY_FILE, f"{count} lines", reason),))


def foreign_lines_changed(old: PolicySource, new: PolicySource, tenant: str) -> tuple[Refusal, ...]:
    """Return the first line that is not the tenant's own and did not stay as it is (law 3)."""
    if old.texts.tests != new.texts.tests:
        return (Refusal(TESTS_FILE, "file", _TESTS_OF_ALL),)
    before, after = (list(_foreign(one, tenant)) for one in (old, new))
    if [line for _, line in before] == [line for _, line in after]:
        return ()
    place = next(
        (
            number
            for (number, line), (_, other) in zip(after, before, strict=False)
            if line != other
        ),
        len(new.texts.rules.split("\n")),
    )
    reason = "is not a row of the editor's own tenant, and stays as it is"
    return (Refusal(f"{POLICY_FILE} line {place}", "line", reason),)


def _open_to(named: str | None, tenant: str) -> bool:
    return named is None or named == tenant or not is_tenant(named)


def _differing(before: str, after: str) -> Iterator[str]:
    old, new = Counter(before.split("\n")), Counter(after.split("\n"))
    yield from (old - new)
    yield from (new - old)


def _foreign(source: PolicySource, tenant: str) -> Iterator[tuple[int, str]]:
    policy = source.policy
    mine = {row.number for row in policy.rows if tenant_of(policy, row) == tenant}
    for number, line in enumerate(source.texts.rules.split("\n"), start=1):
        if line.strip() and number not in mine:
            yield number, line
