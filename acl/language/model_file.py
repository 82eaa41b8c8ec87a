"""`model.conf`, read strictly before Casbin sees it: what is written is what takes effect.

Casbin's own reader drops text in silence. A comment or an empty line ends a continued value, a
second section or a second key replaces the first, and what has an unknown name is ignored. Each of
these turns a policy into another one than its author reads.

The laws of this file:

1. Every line is a section, a comment, an empty line, or a part of exactly one value. Any other line
   is refused, with its number.
2. A value ends where its last line ends. Nothing stands inside a continued value but the value.
3. A section and a key stand once. Both line numbers are named.
4. Every section and every key is one that Casbin reads and that decides: `r p e m`, and `g g2 …`
   without a gap. What would be ignored is refused.
5. What this file accepts, Casbin's reader reads to the same values.

The form is that of `casbin.config.Config` (pycasbin 2.8): a line that ends with a backslash goes on
in the next line, `#` and `;` begin a comment line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from acl.errors import Refusal

MODEL_FILE: Final = "model.conf"

SECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request_definition": "r",
        "policy_definition": "p",
        "role_definition": "g",
        "policy_effect": "e",
        "matchers": "m",
    }
)
"""Casbin's sections, with the letter that their keys begin with."""

_KEY: Final = re.compile(r"([rpgem])([2-9]|[1-9][0-9]+)?\Z")
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Definition:
    """One value of the file.

    Attributes:
        key: such as `m` or `g2`.
        value: the lines of the value, joined as Casbin joins them.
        line: where it begins, counted from 1.
        parts: for each line of the value, the place of its text in the value, which may be negative
            for the first, the number of the line, and the place of the text in the line.
    """

    key: str
    value: str
    line: int
    parts: tuple[tuple[int, int, int], ...]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the position in it, from 1, of a place in the value, from 0."""
        begin, line, column = max(part for part in self.parts if part[0] <= offset)
        return line, column + offset - begin + 1


@dataclass(slots=True)
class _Reader:
    definitions: dict[str, Definition] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    sections: dict[str, int] = field(default_factory=dict)
    section: str = ""
    repeated: bool = False
    begun: int = 0
    last: int = 0
    parts: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)

    def read(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), start=1):
            self._line(number, line.strip(), len(line) - len(line.lstrip()))
        if self.parts:
            self._refuse(self.last, "\\", "continues in a line that does not exist")

    def _line(self, number: int, line: str, indent: int) -> None:
        if not line or line[0] in "#;":
            if self.parts:
                self._interrupted(number, line)
            return
        if line[0] == "[" and line[-1] == "]":
            if self.parts:
                self._refuse(self.last, "\\", "continues in the line of a section")
                self._forget()
            self._open(number, line[1:-1])
            return
        if not self.parts:
            self.begun = number
        self.last = number
        self.parts.append(line.removesuffix("\\").strip())
        self.places.append((number, indent))
        if not line.endswith("\\"):
            self._close()

    def _interrupted(self, number: int, line: str) -> None:
        """Law 2: Casbin ends the value here, and drops or misreads what follows."""
        kind = "a comment" if line else "an empty line"
        reason = (
            f"{kind} ends the value that line {self.begun} begins, so what follows it would not"
            " take effect; move it in front of the value"
        )
        self._refuse(number, line or "empty line", reason)
        # Read on as the author meant it, so that one mistake is reported once.

    def _open(self, number: int, name: str) -> None:
        self.section = name
        if name not in SECTIONS:
            self._refuse(number, f"[{name}]", f"is a section that nothing reads{_near(name)}")
        self.repeated = name in self.sections
        if self.repeated:
            first = self.sections[name]
            reason = f"stands twice, in lines {first} and {number}; the second would replace keys"
            self._refuse(number, f"[{name}]", reason)
        self.sections.setdefault(name, number)

    def _close(self) -> None:
        text, parts = " ".join(self.parts), tuple(self._offsets())
        self._forget()
        key, equals, value = (part.strip() for part in text.partition("="))
        letter = SECTIONS.get(self.section, "")
        known = _KEY.match(key)
        if text.startswith("["):
            self._refuse(self.begun, text, "is no section, because it does not end with `]`")
        elif not equals or (known is None and not key.isidentifier()):
            reason = "belongs to no value; a value that goes on ends each line before with `\\`"
            self._refuse(self.begun, text, reason)
        elif not self.section:
            self._refuse(self.begun, key, "stands before the first section, so nothing reads it")
        elif letter and (known is None or known[1] != letter):
            self._refuse(self.begun, key, f"is nothing that [{self.section}] reads; use `{letter}`")
        elif not value:
            self._refuse(self.begun, key, "has no value, so Casbin would ignore it")
        elif letter:
            lead = len(text) - len(text.partition("=")[2].lstrip())
            placed = tuple((offset - lead, number, indent) for offset, number, indent in parts)
            self._define(Definition(key, value, self.begun, placed))

    def _offsets(self) -> Iterator[tuple[int, int, int]]:
        offset = 0
        for part, (number, indent) in zip(self.parts, self.places, strict=True):
            yield offset, number, indent
            offset += len(part) + 1

    def _forget(self) -> None:
        self.parts.clear()
        self.places.clear()

    def _define(self, definition: Definition) -> None:
        """Law 3: of two values for one key, Casbin keeps the last."""
        first = self.definitions.setdefault(definition.key, definition)
        if first is not definition and not self.repeated:
            reason = (
                f"is defined twice, in lines {first.line} and {definition.line};"
                " the second would replace the first"
            )
            self._refuse(definition.line, definition.key, reason)

    def _refuse(self, line: int, text: str, reason: str) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        self.refusals.append(Refusal(f"{MODEL_FILE} line {line}", shown, reason))


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What `model.conf` says, key by key, and what is refused of it."""

    definitions: Mapping[str, Definition]
    refusals: tuple[Refusal, ...]

    def place(self, key: str) -> str:
        """Return where `key` is defined, as refusals name it."""
        return f"{MODEL_FILE} line {self.definitions[key].line}"

    def columns(self, key: str) -> tuple[str, ...]:
        """Return the names of the columns of a definition; of one that is not there, none."""
        definition = self.definitions.get(key)
        return tuple(map(str.strip, definition.value.split(","))) if definition else ()

    def located(self, refusal: Refusal) -> Refusal:
        """Return a refusal of the model with the line and the position of what it is about.

        Its position, if it has one, counts in the matcher; otherwise its text is looked for.
        """
        if refusal.where != MODEL_FILE:
            return refusal
        for definition, offset in self._places(refusal):
            line, position = definition.place(offset)
            return replace(refusal, where=f"{MODEL_FILE} line {line}", position=position)
        return refusal

    def _places(self, refusal: Refusal) -> Iterator[tuple[Definition, int]]:
        matcher, text = self.definitions.get("m"), refusal.operator
        if matcher and refusal.position:
            yield matcher, refusal.position - 1
        ordered = (*([matcher] if matcher else ()), *self.definitions.values())
        yield from (
            (one, one.value.index(shown))
            for shown in (text, text.rpartition(".")[2])
            for one in ordered
            if shown and shown in one.value
        )
        if text in self.definitions:
            yield self.definitions[text], 0


def read_model_file(text: str) -> ModelFile:
    """Read the text of `model.conf` strictly.

    Returns:
        Every definition, and a refusal for each line that would take effect in another way than it
        reads (laws 1 to 4). With a refusal the text must not be given to Casbin.
    """
    reader = _Reader()
    reader.read(text)
    definitions = MappingProxyType(dict(reader.definitions))
    return ModelFile(definitions, (*reader.refusals, *_unread(definitions)))


def _unread(definitions: Mapping[str, Definition]) -> Iterator[Refusal]:
    """Refuse definitions that decide nothing, and columns that no expression could name."""
    for definition in definitions.values():
        letter, number = definition.key[0], definition.key[1:]
        where = f"{MODEL_FILE} line {definition.line}"
        if number and letter != "g":
            # law 4: the product decides with `r p e m`; the second set of Casbin has no caller.
            reason = f"decides nothing: only `{letter}` is in use"
            yield Refusal(where, definition.key, reason)
        elif number and _before(definition.key) not in definitions:
            reason = f"is never read, because `{_before(definition.key)}` is missing before it"
            yield Refusal(where, definition.key, reason)
        if letter in "rp":
            for column in definition.value.split(","):
                if not _COLUMN.match(column.strip()):
                    reason = "is no name of a column: plain letters, digits and `_`"
                    yield Refusal(where, column.strip()[:_SHOWN], reason, definition.key)


def _before(key: str) -> str:
    number = int(key[1:]) - 1
    return key[0] if number == 1 else f"{key[0]}{number}"


def _near(name: str) -> str:
    close = get_close_matches(name.lower(), SECTIONS, n=1)
    return f"; did you mean [{close[0]}]?" if close else ""
