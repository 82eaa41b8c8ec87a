"""How a function becomes a command, and how pages become one answer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import typer

from retrieval.service.cli.render import Shown
from retrieval.service.cli.run import command, whole
from retrieval.service.http.bodies import Answered
from retrieval.service.wiring import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    asker: Annotated[str, typer.Option("--as")] = ""
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False


async def share(parts: Parts, document: str, *, until: str = "", change: Change) -> Shown:
    """Share it."""
    raise AssertionError(parts, document, until, change)


def test_the_options_that_commands_share_are_the_fields_of_one_value() -> None:
    app = typer.Typer()

    assert command(app, "share")(share) is share

    made = app.registered_commands[0].callback
    assert made is not None
    assert made.__doc__ == "Share it."
    taken = inspect.signature(made).parameters
    assert list(taken) == ["document", "until", "asker", "dry_run", "as_json"]
    assert taken["dry_run"].default is False
    assert taken["document"].default is inspect.Parameter.empty


@dataclass(frozen=True)
class Page:
    names: tuple[str, ...]
    cursor: int | None
    revision: int


class Names(Answered):
    names: list[str]
    next_token: str
    revision: int


async def test_every_page_of_a_list_is_one_answer() -> None:
    pages = {None: Page(("a", "b"), 2, 7), 2: Page((), 3, 7), 3: Page(("c",), None, 8)}

    async def find(after: int | None) -> Page:
        return pages[after]

    found = await whole(Names, "names", find)

    assert found == Names(names=["a", "b", "c"], next_token="", revision=8)
