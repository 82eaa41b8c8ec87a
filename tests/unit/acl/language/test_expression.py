"""Expressions are read as Casbin reads them, or refused."""

from __future__ import annotations

import ast

import pytest

from acl.language.expression import (
    MAX_LENGTH,
    ExpressionError,
    attributes_read,
    bare_names,
    parse,
    source,
)


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
    ("text", "operator", "reason"),
    [
        ("r.sub == 'a&&b'", "&&", "even inside a literal"),
        ("r.sub == 'a||b'", "||", "even inside a literal"),
        ("r.sub == 'a!'", "!", "even inside a literal"),
        ("r.sub == 'a#b'", "#", "even inside a literal"),
        ("r.sub == 'r.sub'", "r.", "even inside a literal"),
        ("r.sub == 'see p2.x'", "p2.", "even inside a literal"),
        ("r.sub == 'a\\\\b'", "\\", "even inside a literal"),
        ("r.sub == 'eval(p_rule)'", "eval(", "even inside a literal"),
        ("r.sub == p.sub # x", "#", "Casbin cuts"),
        ("r.sub == \\ p.sub", "\\", "an escape"),
        ("eval (p.rule)", "eval", "without spaces"),
        ("eval( p.rule )", "eval", "without spaces"),
        ("eval((p.rule))", "eval", "without spaces"),
        ("r.sub == r2.sub", "r2.", "one request and one policy"),
        ("p.sub == p3.sub", "p2.", "one request and one policy"),
        ("False) or (True", "False) or (True", "balanced"),
        ("True; True", "True; True", "balanced"),
        ("", "", "balanced"),
        ("r.sub == p.sub\nor True", "line break", "one line"),
        ("r.sub == p.sub\r", "line break", "one line"),
        ("x" * (MAX_LENGTH + 1), "expression", "longer than 4096"),
        ("not " * 45 + "True", "expression", "nested deeper"),
        ("True if r.sub else False", "IfExp", "not part of the fragment"),
        ("r.sub is p.sub", "Is", "not part of the fragment"),
        ("r.obj['x']", "Subscript", "not part of the fragment"),
        ("[x for x in r.sub]", "ListComp", "not part of the fragment"),
        ("f'{r_sub}'", "JoinedStr", "not part of the fragment"),
        ("(x := 1)", "NamedExpr", "not part of the fragment"),
        ("2 ** 3", "Pow", "not part of the fragment"),
        ("r.sub.name.lower()", "r_sub.name.lower", "only plain functions"),
        ("g(name=r.sub)", "g", "only plain functions"),
        ("r.sub == None", "None", "not a text"),
        ("r.sub == b'x'", "b'x'", "not a text"),
        ("r.sub == 1j", "1j", "not a text"),
    ],
)
def test_what_casbin_would_read_otherwise_is_refused(text: str, operator: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert caught.value.operator == operator
    assert reason in caught.value.reason
    assert str(caught.value) == f"`{operator}`: {caught.value.reason}"


def test_an_expression_is_shown_as_its_author_wrote_it() -> None:
    assert source(parse("r2.obj.owner == p2.sub && eval(p2.rule)")) == (
        "r2.obj.owner == p2.sub and eval(p2.rule)"
    )


def test_names_by_themselves_are_told_from_records() -> None:
    tree = parse("r.sub.name == p.sub && r.act == 'read' && g(r.dom, p.sub)")

    assert bare_names(tree) == {"p_sub", "r_act", "r_dom", "g"}
    assert attributes_read(tree) == {("r_sub", "name")}
    assert attributes_read(parse("r.a.b.c == 1")) == {("r_a", "b")}
