"""Expressions are read as Casbin reads them, or refused."""

# ruff: noqa: RUF001 - letters that look like others are what is tried here

from __future__ import annotations

import ast
import os
import random
import re
from typing import Final

import pytest
from casbin.util import escape_assertion, remove_comments
from casbin.util.expression import SimpleEval

from acl.language.expression import (
    MAX_LENGTH,
    ExpressionError,
    as_casbin_reads,
    attributes_read,
    bare_names,
    for_casbin,
    parse,
    placed,
    source,
)

SIBLINGS: Final = int(os.environ.get("STRONGROOM_SIBLINGS", "200"))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("r.sub == p.sub && r.act == p.act", "r_sub == p_sub and r_act == p_act"),
        ("!r.obj.open || r.obj.level != 3", "not r_obj.open or r_obj.level != 3"),
        (" eval(p.rule) ", "eval(p_rule)"),
        ("eval(p2.rule) && r2.act == 'x'", "eval(p2_rule) and r2_act == 'x'"),
        ("r.obj.owner in ['a', \"b\"]", "r_obj.owner in ['a', 'b']"),
        ("'it, is' == r.sub", "'it, is' == r_sub"),
        ("r.sub == 'a.b:c@d-e'", "r_sub == 'a.b:c@d-e'"),
    ],
)
def test_an_expression_is_rewritten_as_casbin_does(text: str, meaning: str) -> None:
    assert ast.unparse(parse(text)) == meaning


@pytest.mark.parametrize(
    ("text", "operator", "at", "reason"),
    [
        ("r.sub == 'a&&b'", "'a&&b'", 9, "even inside a literal; write `'a&' + '&b'`, or put"),
        ("r.sub == 'a||b'", "'a||b'", 9, "even inside a literal"),
        ("r.sub == 'a!'", "'a!'", 9, "`!`, and Casbin rewrites it even inside a literal; put the"),
        ("r.sub == 'a#b'", "'a#b'", 9, "even inside a literal"),
        ("r.sub == 'a\\\\b'", "'a\\\\b'", 9, "holds a backslash"),
        ("r.sub == 'eval(p_rule)'", "'eval(p_rule)'", 9, "even inside a literal"),
        ("r.sub == 'a\0'", "'a\0'", 9, "holds a control character (U+0000)"),
        ("r.sub == p.sub # x", "#", 15, "Casbin cuts"),
        ("r.sub == \\ p.sub", "\\", 9, "an escape"),
        ("eval (p.rule)", "eval", 0, "without spaces"),
        ("True && eval( p.rule )", "eval", 8, "without spaces"),
        ("eval((p.rule))", "eval", 0, "without spaces"),
        ("r.sub == r2.sub", "r2.", 9, "one request and one policy"),
        ("p.sub == p3.sub", "p3.", 9, "one request and one policy"),
        ("r.sub==p.sub&&r.act==p.act", "&&", 12, "a blank on both sides"),
        ("r.sub == p.sub\nor True", "line break", 14, "one line"),
        ("r.sub == p.sub\r", "line break", 14, "one line"),
        ("x" * (MAX_LENGTH + 1), "expression", 0, "longer than 4096"),
        ("not " * 45 + "True", "expression", 0, "nested deeper"),
        ("r.sub.groups[0] == p.sub", "r.sub.groups[0]", 0, "a list, which has no order"),
        ("r.sub == r.obj['x']", "r.obj['x']", 9, "not part of the language"),
        ("r.sub.name.lower()", "r.sub.name.lower", 0, "only plain functions"),
        ("r.obj.path.startswith(p.path)", "r.obj.path.startswith", 0, "keyMatch"),
        ("g(*r.sub)", "*", 2, "an expression is missing before it"),
        ("r.obj.class == 1", "class == 1", 6, "not understood from here on"),
        ("not in r.sub", "in r.sub", 4, "not understood from here on"),
        ("r.sub == None", "None", 9, "not a text"),
    ],
)
def test_what_casbin_would_read_otherwise_is_refused(
    text: str, operator: str, at: int, reason: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert (caught.value.operator, caught.value.at) == (operator, at)
    assert reason in caught.value.reason
    assert str(caught.value) == f"`{operator}`: {caught.value.reason}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("'user:p.smith' == r.sub && !r.act", "user:p.smith"),
        ("r.act == 'ä' || r.sub == \"user:r.jones, p2.x, r.\"", "user:r.jones, p2.x, r."),
        ("r.act == 'user:mr.smith'", "user:mr.smith"),
    ],
)
def test_a_literal_with_a_dot_means_what_it_says(text: str, named: str) -> None:
    handed = for_casbin(text)
    read = SimpleEval(_rewritten_by_casbin(handed)).ast_parsed_value

    assert (
        ast.dump(read)
        == ast.dump(parse(text))
        == ast.dump(ast.parse(as_casbin_reads(text), mode="eval").body)
    )
    assert named in {one.value for one in ast.walk(parse(text)) if isinstance(one, ast.Constant)}
    assert (handed == text) is ("mr" in text)


def _rewritten_by_casbin(text: str) -> str:
    text = remove_comments(escape_assertion(text))
    return re.sub(r"!(?!=)", "not ", text.replace("&&", "and").replace("||", "or"))


OPERANDS = (
    "r.sub", "p.sub", "r.act", "r.obj.owner", "'a.b'", '"user:p.ä"', "12", "1.5", "True",
    "['a', \"r.b\"]", "g(r.sub, p.sub)", "eval(p.rule)", "any_of(r.obj.readers, r.sub.groups)",
)  # fmt: skip
OPERATORS = ("==", "!=", "<", ">=", "&&", "||", "and", "or", "in", "not in", "+")


def random_expression(dice: random.Random, depth: int = 3) -> str:
    if depth == 0 or dice.random() < 0.3:
        return dice.choice(OPERANDS)
    left, right = (random_expression(dice, depth - 1) for _ in "lr")
    made = f"{left} {dice.choice(OPERATORS)}{dice.choice((' ', '  '))}{right}"
    return dice.choice((f"({made})", f"(!({made}))", f"(not {left})"))


@pytest.mark.parametrize("seed", range(SIBLINGS))
def test_random_expressions_are_read_as_casbin_reads_them(seed: int) -> None:
    text = random_expression(random.Random(seed))
    tree = parse(text)

    assert ast.dump(
        SimpleEval(_rewritten_by_casbin(for_casbin(text))).ast_parsed_value
    ) == ast.dump(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Compare | ast.List):
            assert source(node) in text
    assert source(tree) in text


FAULTS = (
    ("=", "write `==`"), ("&", "write `&&`"), ("|", "write `||`"), ("AND", "`&&`"),
    ("Or", "`||`"), ("NOT", "`!`"), ("IN", "`in`"), ("===", "`==`"), ("=>", "`>=`"),
    ("<>", "`!=`"), ("≤", "`<=`"), ("true", "`True`"), ("FALSE", "`False`"), ("is", "`==`"),
    ("“", "typographic"), ("’", "typographic"), ("ﬁeld", "`field`"), ("ｏbj", "`obj`"),
    ("оbj", "plain ASCII"), ("\xa0", "U+00A0"), ("\u200b", ""), ("0x1f", "plain number"),
    ("1_000", "plain number"), ("3j", "plain number"), ("lambda", "language"), (";", "&&"),
    ("#", "comment"), ("{", "`[1, 2]`"), ("?", "&&"), ("@", "language"), ("＝", "`=`"),
)  # fmt: skip


@pytest.mark.parametrize(("wrong", "hint"), FAULTS)
def test_a_mistake_anywhere_in_an_expression_is_named_at_its_place(wrong: str, hint: str) -> None:
    for seed in range(SIBLINGS // 10):
        dice = random.Random(seed)
        left, right = random_expression(dice), random_expression(dice)
        with pytest.raises(ExpressionError) as caught:
            parse(f"{left} {wrong} {right}")

        assert caught.value.at == len(left) + 1
        assert hint in caught.value.reason


@pytest.mark.parametrize("prefix", ["r", "b", "u", "f", "rb", "Br", "R"])
@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''"])
def test_a_literal_of_another_kind_is_refused_at_its_place(prefix: str, quote: str) -> None:
    for seed in range(20):
        left = random_expression(random.Random(seed))
        with pytest.raises(ExpressionError, match=r"before a quote|side by side"):
            parse(f"{left} == {prefix}{quote}x{quote}")
        with pytest.raises(ExpressionError, match=r"three quotes|operator is missing"):
            parse(f"{left} == 'a' {quote}eval(p.rule){quote}{quote}{quote}")


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ("", 0, "is empty; write `True`"),
        ("  \t", 0, "is empty"),
        ("r.act == ", 6, "an expression is missing behind it"),
        ("&& r.act", 0, "an expression is missing before it"),
        ("r.act == p.act and or r.sub", 19, "an expression is missing before it"),
        ("r.act p.act", 6, "an operator is missing before it"),
        ("r.act == 'a' 'b'", 13, "an operator is missing before it"),
        ("r.act not p.act", 6, "an operator is missing before it"),
        ("1(2)", 1, "an operator is missing before it"),
        ("r.act == p.act)", 14, "closes a bracket that nothing opened"),
        ("False) or (True", 5, "closes a bracket that nothing opened"),
        ("g(r.sub, p.sub", 1, "never closed by `)`"),
        ("[r.sub)", 6, "closes the `[` at position 1; write `]`"),
        ("g(r.sub,, p.sub)", 8, "an expression is missing before it"),
        ("r.sub, r.act", 5, "only inside brackets"),
        ("r . sub == 1", 2, "without blanks"),
        ("r. sub == 1", 1, "without blanks"),
        ("'a'.b", 3, "without blanks"),
        ("r.sub == 'x", 9, "never closed"),
        ("r.act == !r.sub", 9, "a negation behind `==` stands in brackets"),
        ("r.act in not r.sub", 9, "a negation behind `in` stands in brackets"),
    ],
)
def test_what_is_no_expression_is_named_at_its_place(text: str, at: int, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert caught.value.at == at
    assert reason in caught.value.reason


def test_what_a_place_is_not_known_of_keeps_none() -> None:
    error = placed(ExpressionError("x", "no"), ast.Constant(value=1))

    assert error.at is None


def test_an_expression_is_shown_as_its_author_wrote_it() -> None:
    assert source(parse("r2.obj.owner == p2.sub && eval(p2.rule)")) == (
        "r2.obj.owner == p2.sub && eval(p2.rule)"
    )
    assert source(ast.Name(id="p_sub", ctx=ast.Load())) == "p.sub"


def test_names_by_themselves_are_told_from_records() -> None:
    tree = parse("r.sub.name == p.sub && r.act == 'read' && g(r.dom, p.sub)")

    assert bare_names(tree) == {"p_sub", "r_act", "r_dom", "g"}
    assert attributes_read(tree) == {("r_sub", "name")}
    assert attributes_read(parse("r.a.b.c == 1")) == {("r_a", "b")}
