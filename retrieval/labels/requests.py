"""What is asked of a label, what would come of it, and which rights that needs.

The laws of this file:

1. A request changes what it names and nothing else. What it sets is set on the document itself; a
   folder or a new text does not move that.
2. Raising (a higher classification, more compartments, fewer readers) needs `document:tag`, and so
   does saying where a value comes from that stays as it is. A new reader needs `document:share`,
   and so does taking a share back. Everything else may let someone read who could not, and needs
   `document:declassify`: also of attributes that have these names and another type.
3. What is handed over changes owner and readers where the leaver stands, and nothing else.
4. A share ends after it began, and is for a principal that is no reader without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from acl.actions import Action
from acl.errors import LabelError, LabelFault, RequestError
from acl.labels import OWNER, READERS, Attribute, AttributeType, Label, LabelSchema, LabelValue
from acl.records import ChangeKind, FolderLabel, LabelState, Share
from acl.records.database.errors import UnstorableError
from acl.records.database.storable import checked_time, from_microseconds, to_microseconds
from acl.records.tables.types import ended, without
from acl.subject import is_identity
from ingest.label.inherit import (
    CLASSIFICATION,
    COMPARTMENTS,
    FIXED,
    Origins,
    can_share,
    settled,
    shared,
    typed_values,
)

_SHARED_WITH: Final = ("user:", "group:", "role:")
MAX_REASON: Final = 1000


class LabelRequestError(RequestError):
    """What was asked cannot be done to a label by any asker.

    Attributes:
        faults: attribute or field, and what is wrong with it.
    """

    def __init__(self, *faults: LabelFault) -> None:
        super().__init__("; ".join(str(one) for one in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRequest:
    """A principal that is to read; `until` is `None` for good."""

    principal: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """What is one principal's and is to be another's: ownership, and reading if asked.

    Attributes:
        readers: whether the successor takes the place among readers and shares too.
    """

    principal: str
    successor: str
    readers: bool = False

    def __post_init__(self) -> None:
        names = {"from": self.principal, "to": self.successor}
        faults = [
            LabelFault(name, "is no name such as user:ada or group:finance")
            for name, text in names.items()
            if not is_identity(text)
        ]
        if self.principal == self.successor:
            faults.append(LabelFault("to", "is whose it is already"))
        if faults:
            raise LabelRequestError(*faults)

    def values(self, current: Mapping[str, Any]) -> dict[str, object]:
        """Return what changes of a label in its stored form: nothing but these names (law 3)."""
        found: dict[str, object] = {}
        if current.get(OWNER) == self.principal:
            found[OWNER] = self.successor
        readers = current.get(READERS)
        if self.readers and isinstance(readers, list) and self.principal in readers:
            found[READERS] = sorted({*readers, self.successor} - {self.principal})
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRequest:
    """What is to be done to a label.

    Attributes:
        kind: why.
        values: attribute to value, to be set on the document itself.
        inherit: attributes that are to come from folder and source again.
        refresh: whether everything that is not set on the document is taken anew from there.
        share: who is to read.
        unshare: whose share is taken back.
        restore: a remembered label that is to stand again.
        hand_over: whose names are to be replaced by whose.
    """

    kind: ChangeKind = ChangeKind.RELABEL
    values: Mapping[str, object] = field(default_factory=dict)
    inherit: frozenset[str] = frozenset()
    refresh: bool = False
    share: tuple[ShareRequest, ...] = ()
    unshare: frozenset[str] = frozenset()
    restore: Mapping[str, Any] | None = None
    hand_over: HandOver | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if len(self.reason) > MAX_REASON or "\0" in self.reason:
            fault = LabelFault("reason", f"is no text of at most {MAX_REASON} characters")
            raise LabelRequestError(fault)

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "kind": self.kind.value,
            "values": dict(self.values),
            "inherit": sorted(self.inherit),
            "refresh": self.refresh,
            "share": [
                [one.principal, None if one.until is None else to_microseconds(one.until)]
                for one in self.share
            ],
            "unshare": sorted(self.unshare),
            "restore": self.restore,
            "hand_over": None if self.hand_over is None else asdict(self.hand_over),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LabelRequest:
        """Return the request of a stored form."""
        return cls(
            kind=ChangeKind(stored["kind"]),
            values=stored["values"],
            inherit=frozenset(stored["inherit"]),
            refresh=stored["refresh"],
            share=tuple(
                ShareRequest(
                    principal=principal,
                    until=None if until is None else from_microseconds(until),
                )
                for principal, until in stored["share"]
            ),
            unshare=frozenset(stored["unshare"]),
            restore=stored["restore"],
            hand_over=HandOver(**moved) if (moved := stored.get("hand_over")) else None,
            reason=stored["reason"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a request is judged upon, beside the label of record.

    Attributes:
        folders: of the document's tenant.
        by: who asks.
        at: when.
    """

    schema: LabelSchema
    folders: Sequence[FolderLabel]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What would come of a request.

    Attributes:
        before: the label of record now.
        after: the label that it would be.
        actions: which rights it needs.
        changes: whether anything is other than before.
    """

    before: Label
    after: Label
    shares: tuple[Share, ...]
    origins: Origins
    actions: frozenset[Action]
    changes: bool


def wanted(state: LabelState, request: LabelRequest, ground: Ground) -> Wanted:
    """Return what would come of `request` on the label of record.

    Raises:
        LabelRequestError: it cannot be done.
    """
    document, known, schema, at = (
        state.document,
        Origins.of(state.origins),
        ground.schema,
        ground.at,
    )
    before = document.legible(schema, at)
    alive = tuple(one for one in document.shares if not one.over(at))
    try:
        if request.restore is not None:
            base, origins, kept = _restored(request.restore, known, ground)
        else:
            base, origins = _changed(_unshared(before, alive), known, request, ground)
            kept = alive
        shares = _shares(request, base, kept, ground)
        after = shared(schema, base, shares)
    except LabelError as error:
        raise LabelRequestError(*error.faults) from error
    actions = set(_actions(before, after, schema, frozenset(one.principal for one in alive)))
    if set(shares) != set(alive):
        actions.add(Action.DOCUMENT_SHARE)
    if any(_placed(name, known, origins, before, after) for name in schema.attributes):
        actions.add(Action.DOCUMENT_TAG)
    return Wanted(
        before=before,
        after=after,
        shares=shares,
        origins=origins,
        actions=_at_least_tag(frozenset(actions)),
        changes=(after, set(shares), origins) != (before, set(alive), known),
    )


def needed(before: Label, after: Label, schema: LabelSchema) -> frozenset[Action]:
    """Return which rights it takes to put `after` in the place of `before` (law 2)."""
    return _at_least_tag(_actions(before, after, schema, frozenset()))


def _placed(name: str, known: Origins, origins: Origins, before: Label, after: Label) -> bool:
    """Say whether a value stays, and comes from elsewhere: so it stays or moves at other times."""
    same = before.values.get(name) == after.values.get(name)
    return same and known.of_attribute(name) != origins.of_attribute(name)


def _at_least_tag(actions: frozenset[Action]) -> frozenset[Action]:
    """Return the rights; to do nothing is tagging, too."""
    return actions or frozenset({Action.DOCUMENT_TAG})


def _actions(
    before: Label, after: Label, schema: LabelSchema, by_share: frozenset[str]
) -> frozenset[Action]:
    found: set[Action] = set()
    for name, attribute in schema.attributes.items():
        old, new = before.values.get(name), after.values.get(name)
        if old == new:
            continue
        if name == READERS and attribute.type is AttributeType.KEYWORD_SET:
            found |= _of_readers(_names(old), _names(new), by_share)
        else:
            raised = _raised(attribute, old, new)
            found.add(Action.DOCUMENT_TAG if raised else Action.DOCUMENT_DECLASSIFY)
    return frozenset(found)


def _raised(attribute: Attribute, old: LabelValue | None, new: LabelValue | None) -> bool:
    """Say whether a value can only let fewer people read; a missing one cannot be compared."""
    match attribute.name, attribute.type:
        case (name, AttributeType.INTEGER) if name == CLASSIFICATION:
            return isinstance(old, int) and isinstance(new, int) and new > old
        case (name, AttributeType.KEYWORD_SET) if name == COMPARTMENTS:
            return isinstance(old, frozenset) and isinstance(new, frozenset) and old <= new
        case _:
            return False


def _of_readers(old: frozenset[str], new: frozenset[str], by_share: frozenset[str]) -> set[Action]:
    found: set[Action] = set()
    if new - old or (old - new) & by_share:
        found.add(Action.DOCUMENT_SHARE)
    if old - new - by_share:
        found.add(Action.DOCUMENT_TAG)
    return found


def _names(value: LabelValue | None) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


def _unshared(label: Label, shares: Sequence[Share]) -> dict[str, Any]:
    """Return the stored form of a label without those who read by a share."""
    names = frozenset(one.principal for one in shares)
    return dict(without(label.as_json(), names))


def _changed(
    current: Mapping[str, Any],
    known: Origins,
    request: LabelRequest,
    ground: Ground,
) -> tuple[Label, Origins]:
    schema = ground.schema
    handed = {} if request.hand_over is None else request.hand_over.values(current)
    typed = typed_values(schema, {**request.values, **handed})
    faults = [
        LabelFault(name, "is not declared, or is where the document lies")
        for name in sorted(request.inherit)
        if name not in schema.attributes or name in FIXED
    ]
    if faults:
        raise LabelError(tuple(faults))
    own = known.own.union(typed) - request.inherit
    said, fresh = settled(schema, {**current, **typed}, replace(known, own=own), ground.folders)
    again = frozenset(schema.attributes) - own if request.refresh else request.inherit
    places = {name: path for name, path in known.folders.items() if name not in own | again}
    places |= {name: path for name, path in fresh.folders.items() if name in again}
    stored = said.as_json()
    values = {**current, **typed, **{name: stored.get(name) for name in again}}
    return schema.parse(values), replace(known, own=own, folders=places)


def _restored(
    remembered: Mapping[str, Any], known: Origins, ground: Ground
) -> tuple[Label, Origins, tuple[Share, ...]]:
    """Return a remembered label; shares that ended since do not come back.

    What source and folders would not say by now is set on the document from here on.
    """
    schema = ground.schema
    shares = tuple(Share.from_json(one) for one in remembered["shares"])
    sharers = frozenset(share.principal for share in shares)
    label = schema.parse(without(remembered["label"], sharers))
    then = Origins.of(remembered["origins"])
    values = label.as_json()
    own = then.own
    said, fresh = settled(schema, values, replace(known, own=own), ground.folders)
    stored = said.as_json()
    own |= {name for name in schema.attributes if values.get(name) != stored.get(name)} - FIXED
    folders = {name: path for name, path in fresh.folders.items() if name not in own}
    gone = ended(shares, ground.at)
    kept = tuple(one for one in shares if one.principal not in gone)
    return label, replace(known, own=own, folders=folders), kept


def _shares(
    request: LabelRequest,
    base: Label,
    kept: Sequence[Share],
    ground: Ground,
) -> tuple[Share, ...]:
    if (request.share or request.unshare) and not can_share(ground.schema):
        fault = LabelFault(READERS, "is no set of names in labels.toml, so nothing can be shared")
        raise LabelRequestError(fault)
    readers = _names(base.values.get(READERS))
    shares = {one.principal: one for one in kept if one.principal not in readers}
    moved = request.hand_over
    old = shares.pop(moved.principal, None) if moved is not None and moved.readers else None
    if moved is not None and old is not None and moved.successor not in readers | shares.keys():
        shares[moved.successor] = replace(
            old, principal=moved.successor, by=ground.by, since=ground.at
        )
    for name in sorted(request.unshare):
        if shares.pop(name, None) is None:
            raise LabelRequestError(LabelFault("principal", "has no share of this document"))
    for one in request.share:
        _check_share(one, readers, ground.at)
        shares[one.principal] = Share(
            principal=one.principal, until=one.until, by=ground.by, since=ground.at
        )
    return tuple(shares[name] for name in sorted(shares))


def _check_share(one: ShareRequest, readers: frozenset[str], at: datetime) -> None:
    if not is_identity(one.principal) or not one.principal.startswith(_SHARED_WITH):
        raise LabelRequestError(
            LabelFault("principal", "is no name such as user:ada, group:finance or role:auditor")
        )
    if one.principal in readers:
        raise LabelRequestError(LabelFault("principal", "is a reader already, and for good"))
    if one.until is not None and not _to_come(one.until, at):
        raise LabelRequestError(LabelFault("until", "is no moment to come, with its zone"))


def _to_come(until: datetime, at: datetime) -> bool:
    try:
        return until > at and checked_time("until", until) > at
    except (TypeError, UnstorableError):
        # It has no zone, or lies beyond the calendar in UTC.
        return False
