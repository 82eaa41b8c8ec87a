"""Asking as a person: `search`.

The laws of this file:

1. Where this machine's service runs in development mode, it answers the question: its model is
   loaded already. What it answers is what this process would answer.
2. What answers on the port counts only if it takes a token of this installation and sends a page of
   hits; anything else counts as no service. The token is good for `_TOKEN_SECONDS`.
3. What opens parts is imported when no service answered: it takes a second.
"""

from __future__ import annotations

import http.client
import json
from importlib import import_module
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.panel import Panel
from rich.text import Text

from acl.subject import Channel, Origin, Subject
from retrieval.service.cli.identity.people import known_person
from retrieval.service.cli.render import Shown, excerpt, safe
from retrieval.service.cli.start import Json, command_settings, finish, require_begun
from retrieval.service.http.issuers import development_issuer
from retrieval.service.settings import Settings

_TOKEN_SECONDS: Final = 30
_SECONDS: Final = 20
_OK: Final = 200
_LONGEST: Final = 16 * 1024 * 1024

app = typer.Typer()


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="The question, in quotation marks.")],
    *,
    asker: Annotated[
        str, typer.Option("--as", help="Who asks, such as `user:ada`; see the subjects file.")
    ],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="At most so many passages.")] = 5,
    mode: Annotated[
        Literal["hybrid", "dense", "sparse"],
        typer.Option(help="By meaning and words, by meaning alone (dense), by words (sparse)."),
    ] = "hybrid",
    as_json: Json = False,
) -> None:
    """Ask a question as a person, and see what that person finds."""
    settings = command_settings()
    subject = known_person(settings, asker)
    require_begun(settings)
    body = {"query": question, "top_k": top_k, "mode": mode}
    page = ask_service(settings, subject, body)
    if page is not None:
        finish(_shown(page, question), as_json=as_json)
    here, run = (import_module(f"{__package__}.{name}") for name in ("explain", "run"))  # law 3

    async def work(parts: Any) -> Shown:  # noqa: ANN401 - its type takes a second to import
        asks = subject.coming_from(Origin(channel=Channel.CLI))
        found = await here.search_here(parts, asks, question, top_k=top_k, mode=mode)
        return _shown(found.model_dump(mode="json"), question)

    run.run_on_parts(work, as_json=as_json, settings=settings)


class _Hit(msgspec.Struct):
    """What is shown of a hit."""

    title: str
    uri: str
    classification: str
    owner: str
    text: str


class _Page(msgspec.Struct):
    """What is shown of an answer."""

    hits: list[_Hit]
    policy_revision: int
    decision_id: str


def ask_service(
    settings: Settings, subject: Subject, body: dict[str, object]
) -> dict[str, Any] | None:
    """Return what this machine's running service answers; None where none answers (law 2)."""
    key = settings.signing_key_file or settings.data_dir / "development.key"
    if not (settings.development and settings.loopback and settings.port and key.exists()):
        return None
    token = development_issuer(settings).issue(subject, seconds=_TOKEN_SECONDS)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=_SECONDS)
    try:
        connection.request("POST", "/v1/search", json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read(_LONGEST)
        if response.status != _OK:
            return None
        msgspec.json.decode(content, type=_Page)  # law 2
        page: dict[str, Any] = json.loads(content)
    except (OSError, ValueError, http.client.HTTPException, msgspec.MsgspecError):
        return None
    else:
        return page
    finally:
        connection.close()


def _shown(page: dict[str, Any], question: str) -> Shown:
    lines = [_panel(place, hit, question) for place, hit in enumerate(page["hits"], start=1)]
    nothing = [] if lines else ["Nothing that this person may read answers the question."]
    said = f"policy revision {page['policy_revision']}, decision {page['decision_id']}"
    return Shown(page, [*lines, *nothing, safe(said, "dim")])


def _panel(place: int, hit: dict[str, Any], question: str) -> Panel:
    title = Text.assemble(f"{place}. ", safe(hit["title"], "bold"))
    page = f" · page {hit['page']}" if hit.get("page") else ""
    about = safe(f"{hit['uri']}{page} · {hit['classification']} · {hit['owner']}", "dim")
    body = Text("\n").join([excerpt(hit["text"], question.split()), about])
    return Panel(body, title=title, title_align="left")
