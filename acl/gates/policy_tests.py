"""`tests.toml`: what a policy must decide, as its administrators wrote it down.

The laws of this file:

1. A file is read strictly: an unknown or missing key, or a value of another type, is refused with
   the test in which it stands. Every fault is named at once.
2. A test says who asks for what, about which label or document, and what must come of it. Filled in
   are the asker's tenant, for a label that names none, and what the file says under `[label]`.
3. A subject of a test is held to the same rules as one of a token.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from acl.actions import Action
from acl.decision import TENANT
from acl.errors import LabelError, PolicyError, Refusal, RequestError
from acl.labels import CLASSIFICATION, Label, LabelSchema
from acl.subject import EVERYONE, Attributes, Subject, is_identity, is_tenant

TESTS_FILE: Final = "tests.toml"

MAX_CASES: Final = 500
"""Tests of one policy; each is decided twice before a revision takes effect."""

EXPECTED: Final = {"allow": True, "deny": False}
_KEYS: Final = frozenset({"name", "subject", "action", "label", "document", "at", "expect"})
_SUBJECT: Final = frozenset({"id", TENANT, "groups", "clearance", "compartments"})
_HEADER: Final = re.compile(r"^[ \t]*\[\[[ \t]*test[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the directory, who is looked up when the test is run."""

    tenant: str
    identity: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.identity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """What must come of one request.

    Attributes:
        place: where it stands, and its name.
        asker: who asks.
        action: what for.
        about: the label, or the id or path of a document of record.
        at: when, or `None` for the moment at which the test is run.
        permitted: what must come of it.
    """

    place: str
    asker: Subject | Person
    action: str
    about: Label | str
    at: datetime | None
    permitted: bool


def read_tests(text: str, schema: LabelSchema) -> tuple[PolicyTest, ...]:
    """Return the tests that a text holds; none if it is empty.

    Raises:
        PolicyError: with every place that is refused.
    """
    try:
        document = tomllib.loads(text.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError((Refusal(TESTS_FILE, "file", f"is not TOML: {error}"),)) from None
    reader = _Reader(schema)
    found = tuple(reader.tests(document, text))
    if reader.refusals:
        raise PolicyError(tuple(reader.refusals))  # law 1
    return found


class _FaultError(Exception):
    """A value that is refused: the key, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason


@dataclass(slots=True)
class _Reader:
    schema: LabelSchema
    label: Mapping[str, object] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def tests(self, document: Mapping[str, object], text: str) -> Iterator[PolicyTest]:
        """Yield the tests that can be read; the others leave refusals."""
        listed = self._tables(document)
        lines = [text.count("\n", 0, one.end()) + 1 for one in _HEADER.finditer(text)]
        if len(listed) > MAX_CASES:
            self._refuse("", "test", f"there are more than {MAX_CASES} tests")
        for number, table in enumerate(listed[:MAX_CASES], start=1):
            known = len(lines) == len(listed)
            place = f"line {lines[number - 1]}" if known else f"test {number}"
            try:
                yield self._test(place, table)
            except _FaultError as fault:
                self._refuse(place, fault.key, fault.reason)

    def _refuse(self, place: str, key: str, reason: str) -> None:
        self.refusals.append(Refusal(f"{TESTS_FILE} {place}".rstrip(), key, reason))

    def _tables(self, document: Mapping[str, object]) -> list[object]:
        """Read what stands for all tests, and return the tests as they stand."""
        for key in sorted(document.keys() - {"test", "label", "subjects"}):
            self._refuse("", key, "is none of `[[test]]`, `[label]` and `[subjects]`")
        try:
            self.label = _table("label", document.get("label", {}))
            unknown = sorted(self.label.keys() - self.schema.attributes)
            if unknown:
                raise _FaultError(unknown[0], "is not an attribute of labels.toml")  # noqa: TRY301
            for name, table in _table("subjects", document.get("subjects", {})).items():
                self.subjects[name] = self._subject(_table(name, table), name)
            return _list("test", document.get("test", []))
        except _FaultError as fault:
            self._refuse("", fault.key, fault.reason)
            return []

    def _test(self, place: str, raw: object) -> PolicyTest:
        table = _table("test", raw)
        for key in sorted(table.keys() - _KEYS):
            raise _FaultError(key, f"is none of {', '.join(sorted(_KEYS))}")
        name = _text("name", table["name"]) if "name" in table else ""
        asker = self._asker(_required("subject", table))
        return PolicyTest(
            place=f"{TESTS_FILE} {place}" + (f" ({name})" if name else ""),
            asker=asker,
            action=_action(_required("action", table)),
            about=self._about(table, asker.tenant),
            at=_moment(table["at"]) if "at" in table else None,
            permitted=_expected(_required("expect", table)),
        )

    def _asker(self, raw: object) -> Subject | Person:
        if not isinstance(raw, str):
            return self._subject(_table("subject", raw), None)
        if raw in self.subjects:
            return self.subjects[raw]
        tenant, slash, identity = raw.partition("/")
        if slash and is_tenant(tenant) and is_identity(identity):
            return Person(tenant, identity)
        reason = (
            f"`{raw}` is not under `[subjects]`; of the directory, a person is written with the "
            "tenant, such as `acme/user:ada`"
        )
        raise _FaultError("subject", reason)

    def _subject(self, table: Mapping[str, object], name: str | None) -> Subject:
        declared = self.schema.subject
        for key in sorted(table.keys() - _SUBJECT - declared.keys()):
            raise _FaultError(key, f"is none of {', '.join(sorted(_SUBJECT | declared.keys()))}")
        identity = name if name and "id" not in table else _required("id", table)
        try:
            return Subject(  # law 3
                id=_text("id", identity),
                tenant=_text(TENANT, _required(TENANT, table)),
                clearance=self._clearance(table.get("clearance", 0)),
                compartments=_texts("compartments", table.get("compartments", [])),
                groups=_texts("groups", table.get("groups", [])) - {EVERYONE},
                attributes=self._attributes(table),
            )
        except RequestError as error:
            raise _FaultError("subject", str(error)) from None

    def _attributes(self, table: Mapping[str, object]) -> Attributes:
        given = {key: table[key] for key in sorted(table.keys() & self.schema.subject.keys())}
        try:
            return Attributes(self.schema.of_subject(given))
        except LabelError as error:
            raise _FaultError("subject", str(error)) from None

    def _clearance(self, raw: object) -> int:
        levels = self.schema.attributes.get(CLASSIFICATION)
        if levels is not None:
            try:
                level = levels.parse(raw)
            except ValueError as error:
                raise _FaultError("clearance", str(error)) from None
            if isinstance(level, int):
                return level
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise _FaultError("clearance", "is not a whole number")
        return raw

    def _about(self, table: Mapping[str, object], tenant: str) -> Label | str:
        if ("label" in table) == ("document" in table):
            raise _FaultError("label", "a test has a `label` or a `document`, and not both")
        if "document" in table:
            return _text("document", table["document"])
        given = {TENANT: tenant, **self.label, **_table("label", table["label"])}  # law 2
        try:
            return self.schema.parse(given)
        except LabelError as error:
            raise _FaultError("label", str(error)) from None


def _required(key: str, table: Mapping[str, object]) -> object:
    if key not in table:
        raise _FaultError(key, "is missing")
    return table[key]


def _table(key: str, raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise _FaultError(key, "is not a table such as `{ … }`")
    return raw


def _list(key: str, raw: object) -> list[object]:
    if not isinstance(raw, list):
        raise _FaultError(key, f"is not a list; a test begins with `[[{key}]]`")
    return raw


def _text(key: str, raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise _FaultError(key, "is not a text")
    return raw


def _texts(key: str, raw: object) -> frozenset[str]:
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise _FaultError(key, "is not a list of texts")
    return frozenset(raw)


def _action(raw: object) -> str:
    if raw not in list(Action):
        raise _FaultError("action", f"is none of {', '.join(Action)}")
    return str(raw)


def _expected(raw: object) -> bool:
    if not isinstance(raw, str) or raw not in EXPECTED:
        raise _FaultError("expect", "is neither `allow` nor `deny`")
    return EXPECTED[raw]


def _moment(raw: object) -> datetime:
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise _FaultError("at", "is not a moment with a zone, such as 2026-01-31T17:00:00Z")
    return moment.astimezone(UTC)
