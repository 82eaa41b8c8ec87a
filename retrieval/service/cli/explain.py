"""`strongroom explain`: why a person may or may not read a document; and a search in this process.

The laws of this file:

1. A yes names the principal that matched: the one name of the person by which, alone, they would
   read the document too.
2. A no says which lines would allow it, that one of them would do, and what keeps each from it.
3. Both come from the explanation and the compiled policy, so they cannot differ from the decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.text import Text

from acl.decision import Permitted
from acl.explain.explain import Explanation, RuleLine, Status
from acl.explain.explain import explain as explained
from acl.labels import level_name
from acl.policy.decide import decide
from acl.predicate import holds
from acl.records import DocumentRecord
from acl.subject import EVERYONE, Subject
from retrieval.access.types import Reviewed
from retrieval.rights.authority import OPERATOR
from retrieval.rights.decisions import PolicySnapshot
from retrieval.search.search import READ, SearchRequest
from retrieval.search.store import Mode
from retrieval.service.api.review import WhyAnswer
from retrieval.service.api.search import SearchAnswer
from retrieval.service.cli.render import Shown, count, in_words, safe
from retrieval.service.cli.run import ABSENT, InTenant, command, document_named, now, person_of
from retrieval.service.http.bodies import answer
from retrieval.service.http.tokens import levels
from retrieval.service.wiring import Parts

_GRANTS: Final = 5
_MARKS: Final = {
    Status.HOLDS: ("✓", "green"),
    Status.FAILS: ("✗", "red"),
    Status.RAISES: ("!", "yellow"),
}
_OF_DOCUMENT: Final = re.compile(r"r\.obj\.(\w+)")
_OF_SUBJECT: Final = re.compile(r"r\.sub\.(clearance|compartments)")

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Reasons:
    """One person before one document, under one policy, at one moment."""

    snapshot: PolicySnapshot
    subject: Subject
    now: datetime
    explanation: Explanation

    @classmethod
    def of(
        cls, snapshot: PolicySnapshot, subject: Subject, record: DocumentRecord, now: datetime
    ) -> Reasons:
        """Return the reasons for a document of record."""
        label = record.label(snapshot.schema, now)
        return cls(snapshot, subject, now, explained(snapshot.policy, subject, READ, label, now))

    @property
    def through(self) -> tuple[str, ...]:
        """The names of the person by each of which, alone, they read the document (law 1)."""
        alone = replace(self.subject, groups=frozenset())
        if self._reads(replace(alone, id="user:stranger")):
            return (EVERYONE,)
        if self._reads(alone):
            return (self.subject.id,)
        return tuple(
            group
            for group in sorted(self.subject.groups)
            if self._reads(replace(alone, groups=frozenset({group})))
        )

    @property
    def allowing(self) -> tuple[RuleLine, ...]:
        """The lines that could allow it."""
        return tuple(line for line in self.explanation.rules if line.effect == "allow")

    @property
    def shared(self) -> tuple[str, ...]:
        """The conditions that keep every one of those lines from allowing it."""
        first, *others = [_missing(line) for line in self.allowing] or [[]]
        return tuple(text for text in first if all(text in other for other in others))

    def own(self, line: RuleLine) -> tuple[str, ...]:
        """Return the conditions that keep this line from it, beside the shared ones."""
        return tuple(text for text in _missing(line) if text not in self.shared)

    def values(self, condition: str) -> str:
        """Return the values that a condition compares, beside each other."""
        schema, values = self.snapshot.schema, self.explanation.label.values
        told = [
            f"{name} {_plain(schema.attributes[name].display(values[name]))}"
            for name in dict.fromkeys(_OF_DOCUMENT.findall(condition))
            if name in values
        ]
        held = {
            "clearance": level_name(levels(schema), self.subject.clearance),
            "compartments": _plain(sorted(self.subject.compartments)),
        }
        asked = dict.fromkeys(_OF_SUBJECT.findall(condition))
        return ", ".join([*told, *(f"own {name} {held[name]}" for name in asked)])

    def in_short(self) -> str:
        """Return the reason in one line, for a table."""
        if self.explanation.permitted:
            return f"reads it: {' or '.join(self.through) or 'all of its names together'}"
        if not self.explanation.same_tenant:
            return "no: another tenant"
        denying = [line for line in self.explanation.deciding if line.effect == "deny"]
        if denying:
            return f"no: line {denying[0].rule.row} denies it"
        if not self.allowing:
            return "no: no line is for this person"
        return f"no: {_one_of(self.allowing)} would allow it, but {self._hindrances()}"

    def _hindrances(self) -> str:
        if self.shared:
            return "; ".join(self.values(text) or text for text in self.shared)
        return "; ".join(
            f"line {line.rule.row}: "
            + ", ".join(self.values(text) or text for text in _missing(line))
            for line in self.allowing
        )

    def _reads(self, subject: Subject) -> bool:
        decision = decide(self.snapshot.policy, subject, READ, self.now)
        return isinstance(decision, Permitted) and holds(decision.predicate, self.explanation.label)


def _one_of(lines: Iterable[RuleLine]) -> str:
    """Return `line 5`, or `one of lines 5, 6, 9`."""
    rows = [str(row) for row in sorted(line.rule.row for line in lines)]
    return f"line {rows[0]}" if len(rows) == 1 else f"one of lines {', '.join(rows)}"


def _missing(line: RuleLine) -> list[str]:
    return [condition.text for condition in line.missing]


def _plain(value: object) -> str:
    return (" + ".join(map(str, value)) or "none") if isinstance(value, list) else in_words(value)


@command(app, "explain")
async def explain(
    parts: Parts,
    subject: Annotated[str, typer.Argument(help="Who, such as `user:bob`.")],
    document: Annotated[str, typer.Argument(help="The document's id, or its path as ingested.")],
    tenant: InTenant = "",
) -> Shown:
    """Say why a person may or may not read a document, rule by rule."""
    about, moment = person_of(parts, subject), now()
    record = await document_named(parts, document, tenant or about.tenant)
    found = await parts.questions.why(OPERATOR, about, record.id, now=moment)
    if found.footing in ABSENT:
        said = safe(ABSENT[found.footing].format(subject), "bold red")
        return Shown(answer(WhyAnswer, found), [said])
    reasons = Reasons.of(parts.snapshots.pin(), about, record, moment)
    lines = [*_explanation_lines(reasons, found.explanation, record), *_grant_lines(found)]
    return Shown(answer(WhyAnswer, found), lines)


def _explanation_lines(
    reasons: Reasons, explanation: Explanation, record: DocumentRecord
) -> list[Text]:
    """Return an explanation: the verdict, then the rules that decide or come nearest."""
    verdict = ("may read", "bold green") if explanation.permitted else ("may not read", "bold red")
    lines = [Text.assemble(safe(explanation.subject), " ", verdict, " ", safe(record.uri))]
    if explanation.permitted and reasons.through:
        lines.append(safe(f"through {' or '.join(reasons.through)}", "green"))
    if explanation.same_tenant and reasons.allowing and not explanation.deciding:
        lines += _nearest(reasons)
    else:
        lines += _deciding(explanation)
    for actor in explanation.actors:
        lines += [safe(f"acting for it: {actor.subject}", "bold"), *_deciding(actor)]
    return lines


def _nearest(reasons: Reasons) -> list[Text]:
    """Return what keeps the lines that could allow it from doing so (law 2)."""
    lines = [safe(f"{_one_of(reasons.allowing)} would allow it", "bold")]
    if reasons.shared:
        lines.append(safe("but for each of them:"))
    lines += [_failing(reasons, text) for text in reasons.shared]
    for rule in reasons.allowing:
        lines += [_heading(rule), *(_failing(reasons, text) for text in reasons.own(rule))]
    return lines


def _failing(reasons: Reasons, condition: str) -> Text:
    values = reasons.values(condition)
    said = f"{condition} ({values})" if values else condition
    return Text.assemble(("   ✗ ", "red"), safe(said))


def _deciding(explanation: Explanation) -> list[Text]:
    if not explanation.same_tenant:
        return [safe("✗ the document belongs to another tenant; no rule can lift this", "red")]
    lines: list[Text] = []
    for rule in explanation.deciding or explanation.rules:
        lines.append(_heading(rule))
        if len(rule.path) > 1:
            lines.append(Text.assemble("   ", safe(f"by way of {' → '.join(rule.path)}", "dim")))
        for condition in rule.conditions:
            mark, style = _MARKS[condition.status]
            lines.append(Text.assemble((f"   {mark} ", style), safe(condition.text)))
    return lines


def _heading(rule: RuleLine) -> Text:
    return safe(f"policy.csv line {rule.rule.row}: {rule.text}", "bold")


def _grant_lines(found: Reviewed) -> list[Text]:
    lines = [
        Text.assemble(
            "   ",
            safe(f"{grant.kind.value} {grant.value} for {grant.subject}: "),
            f"opens {count(grant.opens, 'document')}",
        )
        for grant in found.grants[:_GRANTS]
    ]
    first = "One of these alone would let them read it, the smallest first:"
    return [safe(first), *lines] if lines else []


async def search_here(
    parts: Parts, subject: Subject, question: str, *, top_k: int, mode: str
) -> SearchAnswer:
    """Return what the subject finds, as the API answers it."""
    request = SearchRequest(query=question, top_k=top_k, mode=Mode(mode))
    return answer(SearchAnswer, await parts.searcher.search(subject, request, now()))
