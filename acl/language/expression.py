"""Matchers and rules as syntax trees, read so that Casbin cannot read them differently.

Casbin rewrites an expression as text before Python parses it: `&&`, `||` and `!` become words,
`r.` and `p.` become `r_` and `p_`, a `#` cuts the rest, and `eval(p.rule)` is replaced by the text
of the rule. Each rewriting also reaches into string literals. This module reads the tokens of the
text first, and then performs the same rewriting on them:

1. What Casbin would rewrite in a literal is refused. The dot of `"user:p.smith"` alone is handed to
   Casbin as an escape, so that the literal means what it says.
2. What Casbin's rewriting of the whole text would make of it, that of its tokens makes, too.
3. `eval(p.rule)` is spelt exactly so, because Casbin overlooks any other spelling.
4. Only the listed kinds of node are admitted.
5. A node knows its text and its place, so that a refusal shows what the author wrote.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from acl.language.tokens import ExpressionError, Kind, Token, tokens_of

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "ONE_TREE_AT_A_TIME",
    "ExpressionError",
    "as_casbin_reads",
    "attributes_read",
    "bare_names",
    "for_casbin",
    "names_read",
    "parse",
    "placed",
    "source",
]

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 40

_UNSAFE: Final = re.compile(r"&&|\|\||!|#|\beval\(")
_REFERENCE: Final = re.compile(r"\b([rp])(\d*)\.")
_RECORD: Final = re.compile(r"([rp])(\d*)\Z")
_SPLICED: Final = re.compile(r"eval\(p\d*[._]\w+\)")
_JOINED: Final = {"&&": "and", "||": "or"}
_ESCAPED_DOT: Final = r"\1\2\\x2e"

_ADMITTED: Final = (
    ast.BoolOp, ast.And, ast.Or,
    ast.UnaryOp, ast.Not, ast.USub,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.IfExp,
    ast.Call, ast.Name, ast.Load, ast.Attribute, ast.Constant, ast.List, ast.Tuple,
)  # fmt: skip


_NOT_OURS: Final = "is not part of the language"
_NO_ORDER: Final = 'takes one of a list, which has no order; ask `"x" in r.sub.groups`'

ONE_TREE_AT_A_TIME: Final = threading.Lock()
"""Held while Python makes a tree: CPython 3.11 counts the depth of trees for all threads together,
and fails with a SystemError when two of them make one at the same time."""


def parse(text: str) -> ast.expr:
    """Return the syntax tree of a matcher or a rule, with `r_…` and `p_…` for its names.

    Raises:
        ExpressionError: naming the first thing that cannot be admitted, its place, and why.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError("expression", f"is longer than {MAX_LENGTH} characters", 0)
    if "\n" in text or "\r" in text:
        at = min(place for place in map(text.find, "\n\r") if place >= 0)
        raise ExpressionError("line break", "an expression is one line", at)
    tokens = tokens_of(text)
    _refuse_rewritten(text, tokens)
    rewritten, origins = _rewritten(text, tokens)
    lead = len(rewritten) - len(rewritten.lstrip())
    try:
        with ONE_TREE_AT_A_TIME:
            tree = ast.parse(rewritten.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or 1
        at = origins[min(lead + column - 1, len(origins) - 1)]
        raise ExpressionError(text[at : at + 20], "is not understood from here on", at) from error
    _note_places(tree, text, origins[lead:])
    _admit(tree, MAX_DEPTH)
    return tree


def as_casbin_reads(text: str) -> str:
    """Return what Casbin makes of a text before Python parses it; places in trees count in this."""
    return _rewritten(text, tokens_of(text))[0].strip()


def for_casbin(text: str) -> str:
    """Return the text to hand to Casbin: as it is written, but for dots in literals (law 1)."""
    parts: list[str] = []
    place = 0
    for token in tokens_of(text):
        parts += text[place : token.start], _escaped(token)
        place = token.end
    return "".join((*parts, text[place:]))


def _escaped(token: Token) -> str:
    return _REFERENCE.sub(_ESCAPED_DOT, token.text) if token.kind is Kind.TEXT else token.text


def _rewritten(text: str, tokens: Sequence[Token]) -> tuple[str, list[int]]:
    """Return the text with each token rewritten, and for each byte of it its place in `text`."""
    parts: list[str] = []
    origins: list[int] = []
    place = 0
    for index, token in enumerate(tokens):
        gap = text[place : token.start]
        parts.append(gap)
        origins += range(place, token.start)
        new = _token_rewritten(token, tokens[index - 1] if index else None)
        parts.append(new)
        origins += _origins(token, new)
        place = token.end
    return "".join(parts), origins


def _token_rewritten(token: Token, before: Token | None) -> str:
    if token.text == ".":
        return "_" if before is not None and _RECORD.match(before.text) else "."
    return "not " if token.text == "!" else _JOINED.get(token.text, _escaped(token))


def _origins(token: Token, new: str) -> Iterator[int]:
    """Yield the place that each byte of a rewritten token comes from."""
    if token.kind is not Kind.TEXT:
        yield from (min(token.start + one, token.end - 1) for one in range(len(new.encode())))
        return
    escaped = {match.end() - 1 for match in _REFERENCE.finditer(token.text)}
    for offset, character in enumerate(token.text):
        width = len(r"\x2e") if offset in escaped else len(character.encode())
        yield from [token.start + offset] * width


def _refuse_rewritten(text: str, tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.kind is Kind.TEXT:
            _refuse_in_literal(token)
        elif token.text == "eval" and not _SPLICED.match(text, token.start):  # law 3
            # With a space inside, Casbin does not splice the rule and raises for every request.
            reason = "is spelt `eval(p.column)`, without spaces"
            raise ExpressionError("eval", reason, token.start)
        elif token.text in _JOINED and _touches_word(text, token):
            reason = "has a blank on both sides, because Casbin puts a word in its place"
            raise ExpressionError(token.text, reason, token.start)
    _refuse_two_definitions(tokens)


def _refuse_in_literal(token: Token) -> None:
    unsafe = _UNSAFE.search(token.text)
    if unsafe:  # law 1
        way, quote, half = "", token.text[0], unsafe.end() - 1
        if half > unsafe.start():
            parted = f"{token.text[:half]}{quote} + {quote}{token.text[half:]}"
            way = f"write `{parted}`, or "
        reason = (
            f"holds `{unsafe.group()}`, and Casbin rewrites it even inside a literal;"
            f" {way}put the text into a column of the rows"
        )
        raise ExpressionError(token.text, reason, token.start)


def _touches_word(text: str, token: Token) -> bool:
    beside = text[token.start - 1 : token.start] + text[token.end : token.end + 1]
    return any(one.isalnum() or one == "_" for one in beside)


def _refuse_two_definitions(tokens: Sequence[Token]) -> None:
    """Casbin rewrites the references of one request and of one policy."""
    first: dict[str, str] = {}
    for token, after in pairwise(tokens):
        record = _RECORD.match(token.text)
        if record and after.text == "." and first.setdefault(record[1], record[2]) != record[2]:
            reason = "one expression uses one request and one policy"
            raise ExpressionError(f"{token.text}.", reason, token.start)


def _note_places(tree: ast.expr, text: str, origins: Sequence[int]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):  # law 5
            start = origins[node.col_offset]
            end = origins[(node.end_col_offset or len(origins)) - 1] + 1
            vars(node).update(start=start, written=text[start:end])


def placed(error: ExpressionError, node: ast.expr) -> ExpressionError:
    """Return the error with a place: where `node` says what it is about, or begins."""
    if error.at is None and "start" in vars(node):
        found = vars(node)["written"].find(error.operator)
        error.at = vars(node)["start"] + max(found, 0)
    return error


def _admit(node: ast.AST, depth: int, parent: ast.expr | None = None) -> None:
    shown = node if isinstance(node, ast.expr) else parent
    if depth == 0:
        raise ExpressionError("expression", f"is nested deeper than {MAX_DEPTH} levels", 0)
    if not isinstance(node, _ADMITTED):  # law 4
        numbered = isinstance(getattr(getattr(node, "slice", None), "value", None), int)
        raise _refused(shown, _NO_ORDER if numbered else _NOT_OURS)
    if isinstance(node, ast.Call) and (node.keywords or not isinstance(node.func, ast.Name)):
        raise _refused(node.func, _uncallable(node))
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool):
        raise _refused(node, "is not a text, a number or a boolean")
    for child in ast.iter_child_nodes(node):
        _admit(child, depth - 1, shown)


def _refused(node: ast.expr | None, reason: str) -> ExpressionError:
    written = vars(node).get("written", "") if node is not None else ""
    error = ExpressionError(written, reason)
    return error if node is None else placed(error, node)


_METHODS: Final = {
    "startswith": 'keyMatch(r.obj.path, "/folder/*")',
    "match": "regexMatch(r.sub.id, pattern)",
    "contains": "value in r.obj.set",
}


def _uncallable(call: ast.Call) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    way = f"; the way to say this is `{_METHODS[name]}`" if name in _METHODS else ""
    return f"only plain functions are called, such as `keyMatch(r.obj.path, p.path)`{way}"


def source(node: ast.expr) -> str:
    """Return the expression as its author wrote it, or would write it."""
    written = vars(node).get("written")
    if written is not None:
        return str(written)
    return re.sub(r"\b([rp]\d*)_(\w+)", r"\1.\2", ast.unparse(node))


def names_read(tree: ast.expr) -> frozenset[str]:
    """Return every name that the expression reads: `p_sub`, `r_sub.tenant`, or a function."""
    return bare_names(tree) | {".".join(pair) for pair in attributes_read(tree)}


def bare_names(tree: ast.expr) -> frozenset[str]:
    """Return the names that stand by themselves, not as the record of an attribute."""
    records = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return frozenset(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in records
    )


def attributes_read(tree: ast.expr) -> frozenset[tuple[str, str]]:
    """Return every `record.attribute` that the expression reads, as pairs of names."""
    return frozenset(
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
