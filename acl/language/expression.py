"""Matchers and rules as syntax trees, read so that Casbin cannot read them differently.

Casbin rewrites an expression as text before Python parses it: `&&`, `||` and `!` become words,
`r.` and `p.` become `r_` and `p_`, a `#` cuts the rest, and `eval(p.rule)` is replaced by the text
of the rule. Each rewriting also reaches into string literals. This module performs the same
rewriting and refuses every text in which it would change the meaning:

1. A literal holding `&&`, `||`, `!`, `#`, a backslash, `eval(`, or something like `r.` is refused.
2. A `#` anywhere is refused, because what follows it would silently not apply.
3. A rule is one balanced expression by itself, so that splicing it changes nothing around it,
   and `eval(p.rule)` is spelt exactly so, because Casbin overlooks any other spelling.
4. Only the listed kinds of node are admitted.
"""

from __future__ import annotations

import ast
import re
import threading
from typing import Final

from acl.errors import AclError

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 40


class ExpressionError(AclError):
    """An expression that is not understood, or that Casbin would not understand as written."""

    def __init__(self, operator: str, reason: str) -> None:
        super().__init__(f"`{operator}`: {reason}")
        self.operator = operator
        self.reason = reason


_STRING: Final = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_UNSAFE: Final = re.compile(r"&&|\|\||!|#|\\|\b[rp]\d*\.|\beval\(")
_REFERENCE: Final = re.compile(r"\b([rp])(\d*)\.")
_NOT: Final = re.compile(r"!(?!=)")
_EVAL: Final = re.compile(r"\beval\b")
_SPLICED: Final = re.compile(r"\beval\(p\d*[._]\w+\)")

_ADMITTED: Final = (
    ast.BoolOp, ast.And, ast.Or,
    ast.UnaryOp, ast.Not, ast.USub,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod,
    ast.Call, ast.Name, ast.Load, ast.Attribute, ast.Constant, ast.List, ast.Tuple,
)  # fmt: skip


ONE_TREE_AT_A_TIME: Final = threading.Lock()
"""Held while Python makes a tree: CPython 3.11 counts the depth of trees for all threads together,
and fails with a SystemError when two of them make one at the same time."""


def parse(text: str) -> ast.expr:
    """Return the syntax tree of a matcher or a rule, with `r_…` and `p_…` for its names.

    Raises:
        ExpressionError: naming the first thing that cannot be admitted, and why.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError("expression", f"is longer than {MAX_LENGTH} characters")
    if "\n" in text or "\r" in text:
        raise ExpressionError("line break", "an expression is one line")
    _refuse_unsafe(text)
    try:
        with ONE_TREE_AT_A_TIME:
            tree = ast.parse(as_casbin_reads(text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(text, "is not one balanced expression") from error
    _admit(tree, MAX_DEPTH)
    return tree


def _refuse_unsafe(text: str) -> None:
    for literal in _STRING.findall(text):
        unsafe = _UNSAFE.search(literal)
        if unsafe:
            reason = "Casbin rewrites it even inside a literal"
            raise ExpressionError(unsafe.group(), reason)  # law 1
    bare = _STRING.sub("''", text)
    for sign, reason in (
        ("#", "Casbin cuts the expression here"),
        ("\\", "an escape outside a literal has no meaning"),
    ):
        if sign in bare:  # law 2
            raise ExpressionError(sign, reason)
    if len(_EVAL.findall(bare)) != len(_SPLICED.findall(bare)):  # law 3
        # With a space inside, Casbin does not splice the rule and raises for every request.
        raise ExpressionError("eval", "is spelt `eval(p.column)`, without spaces")
    suffixes = set(_REFERENCE.findall(bare))
    for kind in "rp":
        if len({suffix for name, suffix in suffixes if name == kind}) > 1:
            raise ExpressionError(f"{kind}2.", "one expression uses one request and one policy")


def as_casbin_reads(text: str) -> str:
    """Return what Casbin makes of a text before Python parses it; places in trees count in this."""
    text = _REFERENCE.sub(r"\1\2_", text)
    return _NOT.sub("not ", text.replace("&&", "and").replace("||", "or")).strip()


def _admit(node: ast.AST, depth: int) -> None:
    if depth == 0:
        raise ExpressionError("expression", f"is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(node, _ADMITTED):  # law 4
        raise ExpressionError(type(node).__name__, "is not part of the fragment")
    if isinstance(node, ast.Call) and (node.keywords or not isinstance(node.func, ast.Name)):
        raise ExpressionError(ast.unparse(node.func), "only plain functions are called")
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool):
        raise ExpressionError(repr(node.value), "is not a text, a number or a boolean")
    for child in ast.iter_child_nodes(node):
        _admit(child, depth - 1)


def source(node: ast.expr) -> str:
    """Return the expression as its author would write it again."""
    text = ast.unparse(node)
    return re.sub(r"\b([rp]\d*)_(\w+)", r"\1.\2", text)


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
