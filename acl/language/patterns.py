"""Patterns: Casbin's matching functions on an engine that reads a text once, however it is written.

The laws of this file:

1. Each function answers what Casbin's own answers for the same arguments, or it raises.
2. A regular expression runs on RE2, whose time grows with the text and never with how a pattern can
   be read. What RE2 cannot say as Python says it (back references, look-around, flags, word
   boundaries) raises, and `require_bounded` says so when a policy is loaded.
3. Patterns are short, their programs small, and a glob has few stars, which are all that its engine
   could be held by. A text with a line break has no one end, and raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

import re2

from acl.errors import AclError

MAX_PATTERN: Final = 1024
MAX_STARS: Final = 3

_python: Final = import_module("re._parser")
_PROGRAM_BYTES: Final = 1 << 18
_KEPT: Final = 4096
_SPACE: Final = (
    r"\t\n\v\f\r\x{1c}-\x{1f} \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": r"\p{Nd}", "CATEGORY_NOT_DIGIT": r"\P{Nd}",
    "CATEGORY_SPACE": _SPACE, "CATEGORY_WORD": r"\p{L}\p{N}_",
}  # fmt: skip
_COMPLEMENTS: Final = {"CATEGORY_NOT_SPACE": _SPACE, "CATEGORY_NOT_WORD": r"\p{L}\p{N}_"}


class PatternError(AclError):
    """A pattern that no bounded engine can match as Casbin would; the text says why."""


def regex_match(text: str, pattern: str) -> bool:
    """Return what `regexMatch` returns: whether a beginning of `text` fits."""
    return _match(text, pattern) is not None


def key_match2(text: str, pattern: str) -> bool:
    """Return what `keyMatch2` returns."""
    return regex_match(text, _key2(pattern, r"[^\/]+"))


def key_match3(text: str, pattern: str) -> bool:
    """Return what `keyMatch3` returns."""
    return regex_match(text, _key3(pattern, r"[^\/]+"))


def key_match4(text: str, pattern: str) -> bool:
    """Return what `keyMatch4` returns: a name that occurs twice stands for one value."""
    tokens = re.findall(r"{([^/]+)}", pattern)
    found = _match(text, "^" + re.sub(r"{([^/]+)}", "([^/]+)", _starred(pattern)) + "$")
    if found is None:
        return False
    values = found.groups()
    if len(tokens) != len(values):
        raise PatternError("the pattern of `keyMatch4` has groups of its own")
    named = dict(zip(reversed(tokens), reversed(values), strict=True))
    return all(named[token] == value for token, value in zip(tokens, values, strict=True))


def key_match5(text: str, pattern: str) -> bool:
    """Return what `keyMatch5` returns: what follows a `?` in `text` does not count."""
    return regex_match(text.partition("?")[0], _key5(pattern))


def key_get2(text: str, pattern: str, name: str) -> object:
    """Return what `keyGet2` returns: the part of `text` that stands for `:name`."""
    names = (one[1:] for one in re.findall(":[^/]+", _starred(pattern)))
    return _part(_match(text, _key2(pattern, r"([^\/]+)")), names, name)


def key_get3(text: str, pattern: str, name: str) -> object:
    """Return what `keyGet3` returns: the part of `text` that stands for `{name}`."""
    names = (one[1:-1] for one in re.findall(r"{[^/]+?}", _starred(pattern)))
    regex = _key3(pattern, "([^/]+?)")
    return _part(_match(text, "^(.*)$" if regex == "^*$" else regex), names, name)


def glob_match(text: str, pattern: str, *, by: Callable[[str, str], bool]) -> bool:
    """Return what `globMatch` returns, for a pattern with few stars (law 3)."""
    _require_glob(pattern)
    return by(text, pattern)


def require_bounded(function: str, pattern: str) -> None:
    """Check that `function` can match `pattern` in bounded time.

    Raises:
        PatternError: it cannot, or Casbin could not either.
    """
    regex = _REGEX.get(function)
    if function == "globMatch":
        _require_glob(pattern)
    elif regex is not None:
        _compiled(regex(pattern))


def _part(found: Any, names: Iterable[str], name: str) -> object:  # noqa: ANN401 - RE2 is untyped
    if found is None:
        return ""
    place = next((place for place, one in enumerate(names) if one == name), None)
    return "" if place is None else found.groups()[place]


def _starred(pattern: str) -> str:
    return pattern.replace("/*", "/.*")


@lru_cache(_KEPT)
def _key2(pattern: str, hole: str) -> str:
    filled = re.sub(r"(.*?):[^\/]+(.*?)", lambda one: one[1] + hole + one[2], _starred(pattern))
    return "^" + ("(.*)" if filled == "*" else filled) + "$"


@lru_cache(_KEPT)
def _key3(pattern: str, hole: str) -> str:
    filled = re.sub(r"(.*?){[^\/]+?}(.*?)", lambda one: one[1] + hole + one[2], _starred(pattern))
    return "^" + filled + "$"


@lru_cache(_KEPT)
def _key5(pattern: str) -> str:
    return "^" + re.sub(r"{[^/]+}", "[^/]+", _starred(pattern)) + "$"


_REGEX: Final[Mapping[str, Callable[[str], str]]] = {
    "regexMatch": str,
    "keyMatch2": lambda pattern: _key2(pattern, r"[^\/]+"),
    "keyMatch3": lambda pattern: _key3(pattern, r"[^\/]+"),
    "keyMatch4": lambda pattern: "^" + re.sub(r"{([^/]+)}", "([^/]+)", _starred(pattern)) + "$",
    "keyMatch5": _key5,
    "keyGet2": lambda pattern: _key2(pattern, r"([^\/]+)"),
    "keyGet3": lambda pattern: _key3(pattern, "([^/]+?)"),
}


def _require_glob(pattern: str) -> None:
    if len(re.findall(r"\*+", pattern)) > MAX_STARS:
        raise PatternError(f"a glob has at most {MAX_STARS} stars")
    if "{" in pattern:
        raise PatternError("a glob with `{` stands for many; write a row for each")
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is longer than {MAX_PATTERN} characters")


def _match(text: str, pattern: str) -> Any:  # noqa: ANN401 - RE2 is untyped
    if "\n" in text:
        raise PatternError("a text with a line break is matched by no pattern")  # law 3
    return _compiled(pattern).match(text)


@lru_cache(_KEPT)
def _compiled(pattern: str) -> Any:  # noqa: ANN401 - RE2 is untyped
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is longer than {MAX_PATTERN} characters")  # law 3
    options = re2.Options()
    options.max_mem, options.log_errors = _PROGRAM_BYTES, False
    try:
        parsed = _python.parse(pattern)
        if parsed.state.flags & ~re.UNICODE:
            raise PatternError("sets a flag")  # law 2
        return re2.compile(_written(parsed), options)
    except (re.error, re2.error, OverflowError, RecursionError) as error:
        raise PatternError("is no pattern, or repeats too much") from error


def _written(parsed: Iterable[tuple[Any, Any]]) -> str:
    return "".join(_step(str(kind), value) for kind, value in parsed)


def _step(kind: str, value: Any) -> str:  # noqa: ANN401 - Python's parser is untyped
    match kind:
        case "LITERAL":
            return _letter(value)
        case "NOT_LITERAL":
            return f"[^{_letter(value)}]"
        case "ANY":
            return "."
        case "IN":
            return _set([(str(one), rest) for one, rest in value])
        case "BRANCH":
            return f"(?:{'|'.join(map(_written, value[1]))})"
        case "SUBPATTERN" if not value[1] and not value[2]:
            return f"({'?:' if value[0] is None else ''}{_written(value[3])})"
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeated(*value) + ("?" if kind == "MIN_REPEAT" else "")
        case "AT" if str(value) in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
            return r"\A"
        case "AT" if str(value) in {"AT_END", "AT_END_STRING"}:
            return r"\z"
        case _:
            # law 2
            raise PatternError("looks back, ahead or at the borders of words, or sets a flag")


def _repeated(least: int, most: int, parsed: Iterable[tuple[Any, Any]]) -> str:
    end = "" if most == _python.MAXREPEAT else str(most)
    return f"(?:{_written(parsed)}){{{least},{end}}}"


def _set(members: list[tuple[str, Any]]) -> str:
    negated = members[0][0] == "NEGATE"
    written = members[1:] if negated else members
    if len(written) == 1 and str(written[0][1]) in _COMPLEMENTS:
        return f"[{'' if negated else '^'}{_COMPLEMENTS[str(written[0][1])]}]"
    return f"[{'^' if negated else ''}{''.join(map(_member, written))}]"


def _member(member: tuple[str, Any]) -> str:
    match member:
        case ("LITERAL", letter):
            return _letter(letter)
        case ("RANGE", (first, last)):
            return f"{_letter(first)}-{_letter(last)}"
        case (_, category) if str(category) in _CATEGORIES:
            return _CATEGORIES[str(category)]
        case _:
            raise PatternError(r"holds `\W` or `\S` among other characters")


def _letter(code: int) -> str:
    return f"\\x{{{code:x}}}"
