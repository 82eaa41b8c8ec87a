"""`strongroom label …` for one document: shown, changed, shared, undone, approved."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from acl.labels import LabelSchema
from acl.records import ChangeKind, DocumentRecord, LabelChange, UnstorableError
from acl.records.database.storable import checked_time
from ingest.context import document_id
from retrieval.access.audience import Effect
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.views import Changed, LabelView, Target
from retrieval.rights.authority import OPERATOR, Asker
from retrieval.rights.display import stored_of
from retrieval.service.cli.commands_ask import person_of
from retrieval.service.cli.commands_write import read_flags
from retrieval.service.cli.console import in_words, out, safe, table
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts

_SPAN: Final = re.compile(r"([0-9]{1,5})([dhm])\Z")
_READERS: Final = 20
_PAGE: Final = 500
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says of a change.

    Attributes:
        asker: `""` for whoever runs the machine.
        values: `attribute=value`.
        version: of the label that was looked at; `None` for whatever it is.
    """

    asker: str = ""
    reason: str = ""
    dry_run: bool = False
    values: Sequence[str] = field(default_factory=tuple)
    inherit: Sequence[str] = field(default_factory=tuple)
    version: int | None = None

    def request(self, schema: LabelSchema) -> LabelRequest:
        """Return the change as the desk takes it.

        Raises:
            SettingsError: a value is not of the form `attribute=value`.
        """
        if not self.values and not self.inherit:
            raise SettingsError("say what is to change: `--set classification=confidential`")
        return LabelRequest(
            values=read_flags(self.values, schema, option="--set"),
            inherit=frozenset(self.inherit),
            reason=self.reason,
        )


async def show(settings: Settings, asker: str, name: str) -> int:
    """Print a document's label."""
    async with open_parts(settings) as parts:
        who = asker_of(parts, asker)
        found = await _document(parts, who, name)
        view = await parts.labels.show(who, found, now=datetime.now(UTC))
    _print_view(view)
    return 0


async def change(settings: Settings, name: str, asked: Asked) -> int:
    """Change a document's label and print what came of it."""
    async with open_parts(settings) as parts:
        return await _apply(parts, name, asked, asked.request(parts.schema))


async def share(settings: Settings, name: str, principal: str, until: str, asked: Asked) -> int:
    """Share a document and print what came of it."""
    one = ShareRequest(principal=principal, until=moment(until) if until else None)
    request = LabelRequest(kind=ChangeKind.SHARE, share=(one,), reason=asked.reason)
    async with open_parts(settings) as parts:
        return await _apply(parts, name, asked, request)


async def unshare(settings: Settings, name: str, principal: str, asked: Asked) -> int:
    """Take a share back and print what came of it."""
    names = frozenset({principal})
    request = LabelRequest(kind=ChangeKind.UNSHARE, unshare=names, reason=asked.reason)
    async with open_parts(settings) as parts:
        return await _apply(parts, name, asked, request)


async def history(settings: Settings, asker: str, name: str) -> int:
    """Print the changes of a document's label."""
    async with open_parts(settings) as parts:
        who = asker_of(parts, asker)
        found = await _document(parts, who, name)
        changes = await parts.labels.history(who, found, now=datetime.now(UTC))
        rows = [_history_row(one, parts.schema) for one in changes]
    out.print(table("", ("version", "when", "who", "what", "change", "reason"), rows))
    return 0


async def undo(settings: Settings, name: str, asked: Asked) -> int:
    """Take the last change back and print what came of it."""
    async with open_parts(settings) as parts:
        who, target = await _target(parts, asked, name)
        changed = await parts.labels.undo(
            who, target, reason=asked.reason, now=datetime.now(UTC), dry_run=asked.dry_run
        )
    print_changed(changed)
    return 0


async def approve(settings: Settings, asker: str, name: str, proposal: str) -> int:
    """Approve a proposal and print what came of it."""
    now = datetime.now(UTC)
    async with open_parts(settings) as parts:
        who = asker_of(parts, asker)
        found = await _document(parts, who, name)
        if not proposal:
            waiting = (await parts.labels.show(who, found, now=now)).proposals
            if len(waiting) != 1:
                raise SettingsError(
                    f"{len(waiting)} proposals wait for this document; name one: "
                    "`strongroom label show` lists them"
                )
            proposal = waiting[0].id
        changed = await parts.labels.approve(who, found, proposal, now=now)
    print_changed(changed)
    return 0


def asker_of(parts: Parts, name: str) -> Asker:
    """Return who asks: a person of the subjects file, or whoever runs the machine.

    Raises:
        SettingsError: nobody is called so.
    """
    return person_of(parts, name).subject if name else OPERATOR


def moment(text: str) -> datetime:
    """Return the moment that `2026-03-31`, `2026-03-31T18:00`, `7d` or `12h` means.

    A day ends when it is over; a time without a zone is in UTC.

    Raises:
        SettingsError: it is none of these.
    """
    try:
        return checked_time("--until", _moment(text))
    except (ValueError, OverflowError, UnstorableError):
        raise SettingsError(
            f"`--until {text}` is no moment: write 2026-03-31, 2026-03-31T18:00, 7d or 12h"
        ) from None


def _moment(text: str) -> datetime:
    span = _SPAN.match(text)
    if span is not None:
        return datetime.now(UTC) + timedelta(**{_UNITS[span[2]]: int(span[1])})
    found = datetime.fromisoformat(text)
    if re.fullmatch(r"[0-9-]{8,10}", text):
        found += timedelta(days=1)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def identities(name: str, tenants: Sequence[str]) -> list[str]:
    """Return the ids that a document's name can stand for."""
    try:
        return [str(uuid.UUID(name))]
    except ValueError:
        path = name.removeprefix("file:").lstrip("/")
        among = dict.fromkeys([*tenants, path.partition("/")[0]])
        return [document_id(one, f"file:{path}") for one in among]


async def found_document(parts: Parts, who: Asker, name: str) -> DocumentRecord | None:
    """Return the document of this name, known to `who` or not; it is not to be printed."""
    tenants = [] if who is OPERATOR else [getattr(who, "tenant", "")]
    for identity in identities(name, tenants):
        if record := await parts.records.catalog.document(identity):
            return record
    return None


def print_changed(changed: Changed) -> None:
    """Print what a change did or would do, as a table of before and after."""
    rows = [
        (name, in_words(changed.before.get(name)), in_words(changed.after.get(name)))
        for name in sorted(changed.before.keys() | changed.after.keys())
        if changed.before.get(name) != changed.after.get(name)
    ]
    out.print(safe(changed.document.uri, "bold"))
    if rows:
        out.print(table("", ("", "before", "after"), rows))
    else:
        out.print("The label's values stay as they are.")
    print_effect(changed.effect)
    if changed.proposal:
        out.print(
            safe(f"Waits for somebody else's approval: proposal {changed.proposal}", "yellow")
        )
    elif changed.dry:
        out.print(safe("Nothing was changed; without --dry-run it would be.", "yellow"))
    else:
        out.print(safe(f"Done: label version {changed.version}", "green"))


def print_effect(effect: Effect | None) -> None:
    """Print who gains and who loses."""
    if effect is None:
        out.print("Who gains or loses is not shown: that needs the right to review access.")
        return
    for what, names in (("gain", effect.gains), ("lose", effect.loses)):
        where = f" access, where cleared for it: {', '.join(names)}" if names else " access: nobody"
        out.print(safe(what + where))


async def _apply(parts: Parts, name: str, asked: Asked, request: LabelRequest) -> int:
    who, target = await _target(parts, asked, name)
    changed = await parts.labels.change(
        who, target, request, now=datetime.now(UTC), dry_run=asked.dry_run
    )
    print_changed(changed)
    if changed.effect is not None and changed.effect.loses:
        await _print_readers(parts, who, target.document_id)
    return 0


async def _print_readers(parts: Parts, who: Asker, identity: str) -> None:
    """Print who has read it: what they have seen, no label takes back."""
    try:
        readers = (await parts.history.readers(who, identity, now=datetime.now(UTC))).readers
    except DocumentNotFoundError:
        # Who raises a label above their own clearance has done so, and is told no more.
        out.print(safe("It is beyond your rights now: who has read it is not shown.", "yellow"))
        return
    if readers:
        seen = ", ".join(f"{one.subject} ({one.last:%Y-%m-%d})" for one in readers[:_READERS])
        out.print(safe(f"has been read by: {seen}", "yellow"))


async def _document(parts: Parts, who: Asker, name: str) -> str:
    return (await _record(parts, who, name)).id


async def _record(parts: Parts, who: Asker, name: str) -> DocumentRecord:
    record = await found_document(parts, who, name)
    if record is not None:
        return record
    if who is OPERATOR:
        await _refuse_quarantined(parts, name)
    raise DocumentNotFoundError


async def _refuse_quarantined(parts: Parts, name: str) -> None:
    uri, after = f"file:{name.removeprefix('file:').lstrip('/')}", 0
    while entries := await parts.records.quarantine.entries(after=after, limit=_PAGE):
        for one in entries:
            if one.uri == uri:
                raise SettingsError(f"{uri} waits in quarantine: {one.reason}")
        after = entries[-1].id


async def _target(parts: Parts, asked: Asked, name: str) -> tuple[Asker, Target]:
    """Return who asks, and the document with the version that they looked at, or the one now."""
    who = asker_of(parts, asked.asker)
    record = await _record(parts, who, name)
    version = record.label_version if asked.version is None else asked.version
    return who, Target(record.id, version)


def _print_view(view: LabelView) -> None:
    out.print(safe(view.document.uri, "bold"))
    rows = [(name, in_words(value), view.origins[name]) for name, value in view.label.items()]
    out.print(table("", ("", "value", "comes from"), rows))
    if view.shares:
        shares = [(one.principal, _until(one.until), one.by, _at(one.since)) for one in view.shares]
        out.print(table("Shared with", ("who", "until", "by", "since"), shares))
    if view.proposals:
        waiting = [(one.id, one.by, _at(one.at), one.reason) for one in view.proposals]
        out.print(table("Waits for approval", ("proposal", "by", "when", "reason"), waiting))
    out.print(safe(f"label version {view.version}", "dim"))


def _history_row(change: LabelChange, schema: LabelSchema) -> tuple[object, ...]:
    before = {} if change.before is None else change.before["label"]
    after: Mapping[str, Any] = change.after["label"]
    moved = [
        f"{name}: {shown_value(name, before, schema)} → {shown_value(name, after, schema)}"
        for name in sorted(after.keys() | before.keys())
        if change.before is not None and before.get(name) != after.get(name)
    ]
    what = "; ".join(moved) or ("first label" if change.before is None else "values as before")
    return change.label_version, _at(change.at), change.by, change.kind.value, what, change.reason


def shown_value(name: str, label: Mapping[str, Any], schema: LabelSchema) -> str:
    """Return one value of a stored label as a person would write it."""
    return in_words(stored_of(label, schema).get(name))


def _until(until: datetime | None) -> str:
    return "for good" if until is None else _at(until)


def _at(moment_: datetime) -> str:
    return f"{moment_:%Y-%m-%d %H:%M} UTC"
