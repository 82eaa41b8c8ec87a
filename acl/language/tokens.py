"""The tokens of an expression: each fault of its text is found here, at its place.

The laws of this file:

1. Every character of a text belongs to one token or is a blank between two; nothing is skipped.
2. Names are plain ASCII. Python would fold other letters into them, and Casbin would not.
3. Of all the literals that Python has, the language has two: a text in one pair of quotes, without
   a letter before it and without a backslash, and a plain number.
4. Operands and operators take turns, and every bracket is closed. What passes is one expression,
   so that splicing it into another changes nothing around it.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from acl.errors import AclError


class ExpressionError(AclError):
    """An expression that is not understood, or that Casbin would not understand as written.

    Attributes:
        operator: what is meant, as its author wrote it.
        reason: one sentence for the author.
        at: where it stands in the expression, counted from 0, or nothing.
    """

    def __init__(self, operator: str, reason: str, at: int | None = None) -> None:
        super().__init__(f"`{operator}`: {reason}")
        self.operator = operator
        self.reason = reason
        self.at = at


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """A part of an expression that cannot be cut any further.

    Attributes:
        kind: what it is.
        text: as it is written.
        start: its place, counted from 0.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The place behind its last character."""
        return self.start + len(self.text)


_TOKEN: Final = re.compile(
    r"(?P<word>[^\W\d]\w*)"
    r"|(?P<number>(?:\d|\.\d)(?:[eE][+-]\d|[\w.])*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>&&|\|\||[=!]==|[=!<>]=|=[<>~]|<>|<<|>>|\*\*|//|:=|->|[^\w\s])"
)
_BLANK: Final = " \t"
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_WORDS: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

BINARY: Final = frozenset(
    {"&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "and", "or", "in"}
)
_TIGHT: Final = BINARY - {"&&", "||", "and", "or"}
_UNARY: Final = frozenset({"!", "-", "not"})
_CLOSES: Final = {"(": ")", "[": "]"}
_NOT_PART: Final = "is not part of the language"
_ADVICE: Final = {
    "=": "compares nothing; write `==`",
    "===": "is not known; write `==`",
    "!==": "is not known; write `!=`",
    "=<": "is not known; write `<=`",
    "=>": "is not known; write `>=`",
    "=~": "is not known; write `regexMatch(text, pattern)`",
    "<>": "is not known; write `!=`",
    "&": "is not `and`; write `&&`",
    "|": "is not `or`; write `||`",
    ":=": "is not known; write `==`",
    "≤": "is not known; write `<=`",
    "≥": "is not known; write `>=`",
    "≠": "is not known; write `!=`",
    "∧": "is not known; write `&&`",
    "\N{LOGICAL OR}": "is not known; write `||`",
    "¬": "is not known; write `!`",
    "^": "is not part of the language; write `||` for or",
    "~": "is not part of the language; write `!` for not",
    "?": "is not part of the language; write `&&` and `||`",
    "#": "begins a comment: Casbin cuts the expression here",
    ";": "is not part of the language; parts are joined with `&&`",
    "\\": "an escape outside a literal has no meaning",
    "{": "is not part of the language; a list is written `[1, 2]`",
    "`": "is not part of the language; a text stands in plain quotes",
}
_QUOTES: Final = frozenset(
    "“”„\u201f\u2018\u2019\u201a\u201b«»\u2039\u203a\u2032″\xb4\uff02\uff07「」"
)
_NEAR: Final = {"true": "True", "false": "False"}
_CASES: Final = {"and": "and` or `&&", "or": "or` or `||", "not": "not` or `!", "in": "in"}
_KEYWORDS: Final = frozenset(keyword.kwlist) - {
    "and", "or", "not", "in", "True", "False", "None", "if", "else"
}  # fmt: skip


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the tokens of one expression.

    Raises:
        ExpressionError: the first fault, with its place and what to write instead.
    """
    tokens = tuple(_cut(text))
    if not tokens:
        raise ExpressionError("expression", "is empty; write `True` for no condition", 0)
    for before, token in zip((None, *tokens), tokens, strict=False):
        _check(token, before)
    _Turns(tokens).check()
    return tokens


def _cut(text: str) -> Iterator[Token]:
    """Law 1."""
    place = 0
    while place < len(text):
        if text[place] in _BLANK:
            place += 1
            continue
        match = _TOKEN.match(text, place)
        if match is None:
            reason = f"an unusual blank (U+{ord(text[place]):04X}) is not part of the language"
            raise ExpressionError(text[place].strip() or "blank", reason, place)
        token = Token(Kind(match.lastgroup), match.group(), place)
        yield token
        place = token.end


def _check(token: Token, before: Token | None) -> None:
    match token.kind:
        case Kind.WORD:
            reason = _word(token, before)
        case Kind.NUMBER:
            plain = _NUMBER.match(token.text)
            reason = "" if plain else "is not a plain number; write digits such as 12 or 1.5"
        case Kind.TEXT:
            reason = _text(token, before)
        case Kind.SIGN:
            reason = _sign(token)
        case _:
            assert_never(token.kind)
    if reason:
        raise ExpressionError(token.text, reason, token.start)


def _word(token: Token, before: Token | None) -> str:
    if not _WORDS.match(token.text):  # law 2
        folded = unicodedata.normalize("NFKC", token.text)
        hint = f"; write `{folded}`" if folded.isascii() else ""
        return f"names are plain ASCII letters, digits and `_`{hint}"
    if before is not None and before.text == ".":
        return ""
    lower = token.text.lower()
    if lower in _CASES and token.text != lower:
        return f"is not known; write `{_CASES[lower]}`"
    if token.text == "is":
        return "is not part of the language; write `==`"
    if token.text in _KEYWORDS:
        return _NOT_PART
    near = _NEAR.get(lower)
    return f"is not known; write `{near}`" if near and token.text != near else ""


def _text(token: Token, before: Token | None) -> str:
    """Law 3."""
    touches = before is not None and before.end == token.start
    if touches and before is not None:
        if before.kind is Kind.TEXT:
            return "three quotes, or two texts side by side, are not part of the language"
        if before.kind is Kind.WORD and before.text not in BINARY | _UNARY:
            return f"`{before.text}` before a quote is not part of the language"
    if "\\" in token.text:
        return "holds a backslash; Python would read an escape, so write the character itself"
    control = next((one for one in token.text if unicodedata.category(one) == "Cc"), None)
    return f"holds a control character (U+{ord(control):04X})" if control else ""


def _sign(token: Token) -> str:
    sign = token.text
    if sign in BINARY or sign in "!.,()[]:":
        return ""
    if sign in _QUOTES:
        return 'is a typographic quote; write `"`'
    if sign in "\"'":
        return "this quote is never closed"
    plain = unicodedata.normalize("NFKC", sign)
    if sign not in _ADVICE and plain != sign and plain.isascii():
        return f"is not known; write `{plain}`"
    return _ADVICE.get(sign, _NOT_PART)


class _Turns:
    """Law 4: operands and operators take turns, and brackets close what they open."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._open: list[Token] = []
        self._operand = True  # what is due: an operand, or else an operator

    def check(self) -> None:
        before: Token | None = None
        for place, token in enumerate(self._tokens):
            after = self._tokens[place + 1] if place + 1 < len(self._tokens) else None
            if self._operand:
                self._check_operand(token, before)
            else:
                self._check_operator(token, before, after)
            before = token
        if self._operand and before is not None:
            self._fail(before, "an expression is missing behind it")
        if self._open:
            self._fail(self._open[-1], f"is never closed by `{_CLOSES[self._open[-1].text]}`")

    def _check_operand(self, token: Token, before: Token | None) -> None:
        text = token.text
        if text in {"!", "not"} and before is not None and before.text in _TIGHT:
            self._fail(token, f"a negation behind `{before.text}` stands in brackets")
        if text in _UNARY or (before is not None and before.text == "not" and text == "in"):
            return
        if text in _CLOSES:
            self._open.append(token)
        elif text in _CLOSES.values() and before is not None and before.text in {"(", "[", ","}:
            self._close(token)
        elif token.kind is Kind.SIGN or text in {"and", "or", "in", "if", "else"}:
            self._fail(token, "an expression is missing before it")
        else:
            self._operand = False

    def _check_operator(self, token: Token, before: Token | None, after: Token | None) -> None:
        text = token.text
        if before is not None and before.text == ".":
            return
        if text == ".":
            self._check_dot(token, before, after)
        elif text in _CLOSES and before is not None and before.kind in {Kind.WORD, Kind.SIGN}:
            self._open.append(token)
            self._operand = True
        elif text in _CLOSES.values():
            self._close(token)
        elif text == "," and not self._open:
            self._fail(token, "a comma stands only inside brackets")
        elif text == ":" and not any(opened.text == "[" for opened in self._open):
            self._fail(token, 'stands only inside quotes; a text is written "user:ada"')
        elif text == "not" and (after is None or after.text != "in"):
            self._missing(token)
        elif text in BINARY or text in {",", ":", "not", "if", "else"}:
            self._operand = True
        else:
            self._missing(token)

    def _check_dot(self, token: Token, before: Token | None, after: Token | None) -> None:
        touched = before is not None and before.end == token.start and before.kind is not Kind.TEXT
        if not touched or after is None or after.kind is not Kind.WORD or after.start != token.end:
            self._fail(token, "a dot stands between two names, without blanks")

    def _close(self, token: Token) -> None:
        if not self._open:
            self._fail(token, "closes a bracket that nothing opened")
        opened = self._open.pop()
        if _CLOSES[opened.text] != token.text:
            reason = f"closes the `{opened.text}` at position {opened.start + 1}; write"
            self._fail(token, f"{reason} `{_CLOSES[opened.text]}`")
        self._operand = False

    def _missing(self, token: Token) -> None:
        self._fail(token, "an operator is missing before it, such as `&&` or `==`")

    def _fail(self, token: Token, reason: str) -> None:
        raise ExpressionError(token.text, reason, token.start)
