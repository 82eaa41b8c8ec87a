"""Asking as a person: `search` and `explain`.

The laws of this file:

1. Where this machine's service runs in development mode, it answers the question: its model is
   loaded already. What it answers is what this process would answer.
2. Only a service that takes a token of this installation is believed; any other is as none.
"""

from __future__ import annotations

import http.client
import json
import threading
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from acl.explain.explain import Explanation, RuleLine, Status
from acl.records import DocumentRecord
from retrieval.access.review_types import Reviewed
from retrieval.rights.authority import OPERATOR
from retrieval.rights.policy_source import read_schema
from retrieval.search.search import SearchRequest
from retrieval.search.store import Mode
from retrieval.service.api.messages import FoundPassage, SearchAnswer
from retrieval.service.api.review import WhyAnswer
from retrieval.service.cli.named import AskAs, document_named, person_of
from retrieval.service.cli.people import Person, person_named, read_people
from retrieval.service.cli.reasons import Reasons, one_of
from retrieval.service.cli.render import Shown, answer, count, excerpt, safe
from retrieval.service.cli.run import (
    Json,
    command_settings,
    finish,
    require_ground,
    run_on_parts,
)
from retrieval.service.http.token_wiring import development_issuer, levels
from retrieval.service.settings import Settings
from retrieval.service.wiring import Parts

_GRANTS: Final = 5
_TOKEN_SECONDS: Final = 30
_SECONDS: Final = 20
_OK: Final = 200
_MARKS: Final = {
    Status.HOLDS: ("✓", "green"),
    Status.FAILS: ("✗", "red"),
    Status.RAISES: ("!", "yellow"),
}

app = typer.Typer()


class SearchMode(StrEnum):
    """How passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="The question, in quotation marks.")],
    *,
    asker: AskAs,
    top_k: Annotated[int, typer.Option(min=1, max=100, help="At most so many passages.")] = 5,
    mode: Annotated[
        SearchMode,
        typer.Option(help="By meaning and words, by meaning alone (dense), by words (sparse)."),
    ] = SearchMode.HYBRID,
    as_json: Json = False,
) -> None:
    """Ask a question as a person, and see what that person finds."""
    settings = command_settings()
    require_ground(settings, new=False)
    people = read_people(settings.people_file, levels(read_schema(settings.policy_dir)))
    person = person_named(people, asker)
    request = SearchRequest(query=question, top_k=top_k, mode=Mode(mode.value))
    page = ask_service(settings, person, request)
    if page is not None:
        finish(Shown(page, hit_lines(page, question)), as_json=as_json)
    if mode is not SearchMode.SPARSE:
        # It takes a second, in which the parts are opened.
        threading.Thread(target=import_module, args=("ingest.encode.bert",), daemon=True).start()

    async def work(parts: Parts) -> Shown:
        found = await parts.searcher.search(person.subject, request, datetime.now(UTC))
        page = answer(SearchAnswer, found)
        return Shown(page, hit_lines(page, question))

    run_on_parts(work, as_json=as_json, settings=settings)


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(help="Who, such as `user:bob`.")],
    document: Annotated[str, typer.Argument(help="The document's id, or its path as ingested.")],
    *,
    as_json: Json = False,
) -> None:
    """Say why a person may or may not read a document, rule by rule."""

    async def work(parts: Parts) -> Shown:
        person, now = person_of(parts, subject), datetime.now(UTC)
        record = await document_named(parts, document, person.subject.tenant)
        found = await parts.review.why(OPERATOR, person.subject, record.id, now=now)
        reasons = Reasons.of(parts.snapshots.pin(), person.subject, record, now)
        lines = [*explanation_lines(reasons, found.explanation, record), *_grant_lines(found)]
        return Shown(answer(WhyAnswer, found), lines)

    run_on_parts(work, as_json=as_json)


def ask_service(settings: Settings, person: Person, request: SearchRequest) -> SearchAnswer | None:
    """Return what this machine's running service answers; None where none answers (law 2)."""
    key = settings.signing_key_file or settings.data_dir / "development.key"
    if not (settings.development and settings.loopback and settings.port and key.exists()):
        return None
    token = development_issuer(settings).issue(person.subject, seconds=_TOKEN_SECONDS)
    body = {"query": request.query, "top_k": request.top_k, "mode": request.mode.value}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=_SECONDS)
    try:
        connection.request("POST", "/v1/search", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status == _OK:
            return SearchAnswer.model_validate_json(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return None


def hit_lines(page: SearchAnswer, question: str) -> list[RenderableType]:
    """Return the passages as they are printed."""
    panels = [_panel(place, hit, question) for place, hit in enumerate(page.hits, start=1)]
    nothing = [] if panels else ["Nothing that this person may read answers the question."]
    said = f"policy revision {page.policy_revision}, decision {page.decision_id}"
    return [*panels, *nothing, safe(said, "dim")]


def _panel(place: int, hit: FoundPassage, question: str) -> Panel:
    title = Text.assemble(f"{place}. ", safe(hit.title, "bold"))
    about = safe(f"{hit.uri} · {hit.classification} · {hit.owner}", "dim")
    body = Text("\n").join([excerpt(hit.text, question.split()), about])
    return Panel(body, title=title, title_align="left")


def explanation_lines(
    reasons: Reasons, explanation: Explanation, record: DocumentRecord
) -> list[RenderableType]:
    """Return an explanation: the verdict, then the rules that decide or come nearest."""
    verdict = ("may read", "bold green") if explanation.permitted else ("may not read", "bold red")
    lines: list[RenderableType] = [
        Text.assemble(safe(explanation.subject), " ", verdict, " ", safe(record.uri))
    ]
    if explanation.permitted and reasons.through:
        lines.append(safe(f"through {' or '.join(reasons.through)}", "green"))
    lines += _subject_lines(reasons, explanation)
    for actor in explanation.actors:
        lines += [safe(f"acting for it: {actor.subject}", "bold"), *_rules(reasons, actor)]
    return lines


def _subject_lines(reasons: Reasons, explanation: Explanation) -> list[RenderableType]:
    if not explanation.same_tenant:
        return [safe("✗ the document belongs to another tenant; no rule can lift this", "red")]
    if explanation.deciding or not reasons.allowing:
        return _rules(reasons, explanation)
    # What keeps each line from it is said line by line; what keeps all of them, once.
    lines: list[RenderableType] = [safe(f"{one_of(reasons.allowing)} would allow it", "bold")]
    if reasons.shared:
        lines += ["but for each of them:", *(_failing(reasons, text) for text in reasons.shared)]
    for rule in reasons.allowing:
        lines.append(_heading(rule))
        lines += [_failing(reasons, text) for text in reasons.own(rule)]
    return lines


def _failing(reasons: Reasons, condition: str) -> Text:
    values = reasons.values(condition)
    said = f"{condition}    ({values})" if values else condition
    return Text.assemble(("   ✗ ", "red"), safe(said))


def _rules(reasons: Reasons, explanation: Explanation) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if not explanation.same_tenant:
        return _subject_lines(reasons, explanation)
    for rule in explanation.deciding or explanation.rules:
        lines.append(_heading(rule))
        if len(rule.path) > 1:
            lines.append(safe(f"   by way of {' → '.join(rule.path)}", "dim"))
        for condition in rule.conditions:
            mark, style = _MARKS[condition.status]
            lines.append(Text.assemble((f"   {mark} ", style), safe(condition.text)))
    return lines


def _heading(rule: RuleLine) -> Text:
    return safe(f"policy.csv line {rule.rule.row}: {rule.text}", "bold")


def _grant_lines(found: Reviewed) -> list[RenderableType]:
    if not found.grants:
        return []
    return [
        "One of these alone would let them read it, the smallest first:",
        *(
            Text.assemble(
                "   ",
                safe(f"{grant.kind.value} {grant.value} for {grant.subject}: "),
                f"opens {count(grant.opens, 'document')}",
            )
            for grant in found.grants[:_GRANTS]
        ),
    ]
