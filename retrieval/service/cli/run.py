"""How a command works on open parts, and what it is given the names of: people, documents, moments.

The laws of this file:

1. A person is one of the subjects file; without `--as`, a command acts for the operator of the
   machine.
2. A document is named by its id, its uri, or the path as it was ingested.
3. A command has the parameters of its function without the open parts, and `--json`. Options that
   several commands share are the fields of one value.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_type_hints

import typer

from acl.records import DocumentRecord, Quarantined, UnstorableError
from acl.records.database.storable import checked_time
from acl.subject import Channel, Origin, Subject
from ingest.index.engine import EngineError
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.subjects import Footing
from retrieval.rights.authority import OPERATOR, Asker, Operator
from retrieval.rights.policy_source import read_source
from retrieval.service.cli.identity.people import person_named, read_people
from retrieval.service.cli.render import CommandError, Shown
from retrieval.service.cli.start import Json, command_settings, finish, is_begun, require_begun
from retrieval.service.http.bodies import Answer, answer
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts


class AmbiguousError(SettingsError):
    """Several documents are called so."""


Work = Callable[[Parts], Awaitable[Shown]]
_Do = TypeVar("_Do", bound=Callable[..., Awaitable[Shown]])
AskAs = Annotated[
    str, typer.Option("--as", help="Who asks, such as `user:ada`; a person of the subjects file.")
]
ActAs = Annotated[
    str,
    typer.Option(
        "--as",
        help="Act with the rights of this person, such as `user:ada`. Without it you act as the "
        "operator of this machine, who may do everything.",
    ),
]
Document = Annotated[
    str, typer.Argument(help="The document's path as ingested, such as acme/hr/plan.md, or its id.")
]
InTenant = Annotated[
    str,
    typer.Option("--tenant", help="Whose document, where several tenants have one of the path."),
]
Until = Annotated[
    str, typer.Option("--until", help="When it ends: 2026-03-31, 2026-03-31T18:00, 7d or 12h.")
]

ABSENT: Final = {
    Footing.UNKNOWN: "{} is not known to the directory, and so reads nothing",
    Footing.SUSPENDED: "{} is suspended in the directory, and so reads nothing",
}

_SPAN: Final = re.compile(r"([0-9]{1,5})([dhm])\Z")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}
_PAGE: Final = 500
_HERE: Final = Origin(channel=Channel.CLI)


def command(group: typer.Typer, name: str, *, new: bool = False) -> Callable[[_Do], _Do]:
    """Make a command of a function that works on open parts and returns its answer (law 3).

    Args:
        group: where the command belongs.
        name: what is typed.
        new: whether the command may begin an installation.
    """

    def register(do: _Do) -> _Do:
        declared, shared = _declared(do)

        def run(*, as_json: bool, **values: Any) -> None:  # noqa: ANN401 - as they are declared
            for key, kind in shared.items():
                values[key] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            run_on_parts(lambda parts: do(parts, **values), as_json=as_json, new=new)

        run.__doc__ = do.__doc__
        run.__signature__ = inspect.Signature(declared)  # type: ignore[attr-defined]
        group.command(name)(run)
        return do

    return register


def _declared(do: Callable[..., object]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Return the parameters of a command, and its values that are made of several (law 3)."""
    hints = get_type_hints(do, include_extras=True) | {"as_json": Json}
    _, *given = inspect.signature(do).parameters.values()
    shared = {each.name: hints[each.name] for each in given if is_dataclass(hints[each.name])}
    declared = [each for each in given if each.name not in shared]
    for kind in shared.values():
        hints |= get_type_hints(kind, include_extras=True)
        declared += inspect.signature(kind).parameters.values()
    declared.append(inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False))
    return [each.replace(annotation=hints[each.name]) for each in declared], shared


def run_on_parts(
    work: Work, *, as_json: bool, settings: Settings | None = None, new: bool = False
) -> NoReturn:
    """Open every part, do what a command does, print its answer, and exit with its code.

    Args:
        work: what the command does.
        as_json: whether the answer is printed as JSON.
        settings: those of the environment, unless others are given.
        new: whether the command may begin an installation.
    """
    settings = settings or command_settings()
    check = begin if new else require_begun
    check(settings)
    finish(asyncio.run(_on_parts(settings, work)), as_json=as_json)


def begin(settings: Settings) -> None:
    """Look at the policy before the data folder is made.

    Raises:
        PolicyError, SchemaError: it is refused, so that no installation can begin with it.
    """
    if not is_begun(settings):
        read_source(settings.policy_dir)


async def _on_parts(settings: Settings, work: Work) -> Shown:
    try:
        async with open_parts(settings) as parts:
            return await work(parts)
    except EngineError as error:
        raise CommandError(str(error)) from error


def known_people(parts: Parts) -> list[Subject]:
    """Return the people of the subjects file, if there is one."""
    path = parts.settings.people_file
    known = read_people(path, parts.schema) if path.exists() else {}
    return [person.subject for person in known.values()]


def person_of(parts: Parts, name: str) -> Subject:
    """Return the person called `name` (law 1).

    Raises:
        SettingsError: there is none of this name.
    """
    people = read_people(parts.settings.people_file, parts.schema)
    return person_named(people, name).subject


def asker_of(parts: Parts, name: str) -> Asker:
    """Return a person of the subjects file, or without a name the operator (law 1).

    Raises:
        SettingsError: there is none of this name.
    """
    return person_of(parts, name).coming_from(_HERE) if name else OPERATOR


async def asked_about(
    parts: Parts, asker: str, name: str, tenant: str = ""
) -> tuple[Asker, DocumentRecord]:
    """Return who asks (law 1), and the document called `name` (law 2); rights are looked at later.

    Raises:
        SettingsError: there is none, or it waits in quarantine; told to the operator alone.
        DocumentNotFoundError: there is none.
    """
    who = asker_of(parts, asker)
    if isinstance(who, Operator):
        return who, await document_named(parts, name, tenant)
    record = await document_for(parts, who, name)
    if record is None:
        raise DocumentNotFoundError
    return who, record


async def document_for(
    parts: Parts, who: Asker, name: str, tenant: str = ""
) -> DocumentRecord | None:
    """Return the document that an asker calls `name`, if there is one.

    Raises:
        AmbiguousError: several tenants have one of that name; told to the operator alone.
    """
    if isinstance(who, Operator):
        return await find_document(parts, name, tenant)
    try:
        return await find_document(parts, name, who.tenant)
    except AmbiguousError:
        return None


async def document_named(parts: Parts, name: str, tenant: str = "") -> DocumentRecord:
    """Return the document called `name` (law 2), for the operator.

    Raises:
        SettingsError: there is none, or it waits in quarantine.
    """
    record = await find_document(parts, name, tenant)
    if record is not None:
        return record
    uri = f"file:{name.removeprefix('file:').lstrip('/')}"
    for entry in await quarantined(parts):
        if entry.uri == uri:
            raise SettingsError(f"{uri} waits in quarantine: {entry.reason}")
    raise SettingsError(f"there is no document `{name}`, neither as an id nor as a path")


async def find_document(parts: Parts, name: str, tenant: str = "") -> DocumentRecord | None:
    """Return the document called `name` (law 2), if there is one, also one that is hidden.

    Args:
        parts: open parts.
        name: an id, a uri, or a path.
        tenant: where it is looked for first.

    Raises:
        AmbiguousError: several tenants have a document of that name.
    """
    try:
        return await parts.records.catalog.document(str(uuid.UUID(name)))
    except ValueError:
        path = name.removeprefix("file:").lstrip("/")
    found = [each for each in await parts.records.sources.at([f"file:{path}"]) if each.is_live]
    mine = [each for each in found if each.tenant == tenant] or found
    if len(mine) > 1:
        tenants = ", ".join(sorted(each.tenant for each in mine))
        raise AmbiguousError(
            f"{path} is in {len(mine)} tenants: {tenants}; say `--tenant` or the id"
        )
    return mine[0] if mine else None


def tenant_of(path: str) -> str:
    """Return the tenant that a path of a folder or document begins with."""
    return path.strip("/").partition("/")[0]


def now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def moment(text: str) -> datetime | None:
    """Return the moment that `2026-03-31`, `2026-03-31T18:00`, `7d` or `12h` means.

    A day ends when it is over; a time without a zone is in UTC; nothing is for good.

    Raises:
        SettingsError: it is none of these.
    """
    try:
        return checked_time("--until", _moment(text)) if text else None
    except (ValueError, OverflowError, UnstorableError):
        raise SettingsError(
            f"`--until {text}` is no moment: write 2026-03-31, 2026-03-31T18:00, 7d or 12h"
        ) from None


def _moment(text: str) -> datetime:
    span = _SPAN.match(text)
    if span is not None:
        return now() + timedelta(**{_UNITS[span[2]]: int(span[1])})
    time = datetime.fromisoformat(text)
    if re.fullmatch(r"[0-9-]{8,10}", text):
        time += timedelta(days=1)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def quarantined(parts: Parts) -> list[Quarantined]:
    """Return everything that is kept out."""
    kept, after = list[Quarantined](), 0
    while entries := await parts.records.quarantine.entries(after=after, limit=_PAGE):
        kept += entries
        after = entries[-1].id
    return kept


async def whole(model: type[Answer], listed: str, find: Callable[[Any], Awaitable[Any]]) -> Answer:
    """Return every page of a list as one.

    Args:
        model: the answer.
        listed: the field that holds the list.
        find: returns a page, and takes the cursor of the page before, at first `None`.
    """
    page = await find(None)
    values = list(getattr(page, listed))
    while page.cursor is not None:
        page = await find(page.cursor)
        values += getattr(page, listed)
    return answer(model, replace(page, **{listed: tuple(values)}), next_token="")
