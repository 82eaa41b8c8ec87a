"""Reading: a syntax tree becomes a term, or is refused by the name of what has no filter form.

The laws of this file:

1. The fragment is decided here: every operator that may touch the resource has its line, and an
   operator without one is refused.
2. Types are checked against the declared attributes, so that a rule that would raise for its types
   never takes effect.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

from acl.labels import CLASSIFICATION, Attribute, AttributeType, LabelSchema
from acl.language.casbin_adapter import FUNCTIONS, RoleDefinition
from acl.language.expression import ExpressionError, placed, source
from acl.language.terms import (
    PATH_FUNCTIONS,
    PRESENCE,
    AllOf,
    Among,
    AnyPart,
    Compare,
    Contains,
    Covers,
    Known,
    Matches,
    Negation,
    Overlaps,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Sized,
    Term,
    There,
    Within,
)


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in an expression stand for.

    Attributes:
        request: request definition in use, such as `r`, and its columns.
        policy: policy definition in use, such as `p`, and its columns.
        resource: the request's columns that are the resource's side.
        schema: the label's attributes.
        roles: the role definitions.
    """

    request: tuple[str, tuple[str, ...]]
    policy: tuple[str, tuple[str, ...]]
    resource: frozenset[str]
    schema: LabelSchema
    roles: Mapping[str, RoleDefinition]
    known: frozenset[str] = field(init=False)
    columns: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        request, policy = self.request, self.policy
        asked = {f"{request[0]}_{column}" for column in request[1] if column not in self.resource}
        object.__setattr__(self, "known", frozenset(asked))
        object.__setattr__(self, "columns", frozenset(f"{policy[0]}_{one}" for one in policy[1]))

    def attribute(self, node: ast.expr) -> Attribute | None:
        """Return the label attribute that `node` reads, or nothing if it reads none.

        Raises:
            ExpressionError: the node reads the resource, but no declared attribute of it.
        """
        match node:
            case ast.Name(id=name) if self._is_resource(name):
                return self._declared(name.partition("_")[2], node)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if self._is_resource(name):
                return self._declared(attribute, node)
            case _:
                return None

    def typed(self, node: ast.expr) -> Attribute | None:
        """Return the attribute of the label or of the asker that `node` reads, where it has a type.

        Raises:
            ExpressionError: the node reads the resource, but no declared attribute of it.
        """
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in self.known:
                return self._of_asker(attribute)
            case _:
                return self.attribute(node)

    def _of_asker(self, name: str) -> Attribute | None:
        if name == "clearance":
            levels = self.schema.attributes.get(CLASSIFICATION)
            return None if levels is None else replace(levels, name=name)
        return self.schema.subject.get(name) or _OF_ASKER.get(name)

    def undefined(self, name: str) -> str:
        """Return what is wrong with a name that stands for nothing."""
        levels = {level for one in self.schema.attributes.values() for level in one.levels}
        if name in levels:
            return f'is a level; write it in quotes: "{name}"'
        kind, _, column = name.partition("_")
        for definition, columns in (self.request, self.policy):
            if kind == definition and column:
                known = ", ".join(f"`{definition}.{one}`" for one in columns)
                return f"is not defined by the model; there is {known}"
            if name in columns:
                return f"is not defined by the model; did you mean `{definition}.{name}`?"
        return "is not defined by the model; a text stands in quotes"

    def _is_resource(self, name: str) -> bool:
        kind, _, column = name.partition("_")
        asked = kind == self.request[0] and column in self.request[1]
        return asked and column in self.resource

    def _declared(self, name: str, node: ast.expr) -> Attribute:
        if name not in self.schema.attributes:
            raise ExpressionError(source(node), "is not a declared attribute of the label")
        return self.schema.attributes[name]

    def touches(self, node: ast.AST) -> bool:
        """Say whether any part of `node` reads the resource."""
        return any(
            isinstance(one, ast.Name) and self._is_resource(one.id) for one in ast.walk(node)
        )


_OPERATORS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OF_ASKER: Final = {
    name: Attribute(name=name, type=kind)
    for kind, names in (
        (AttributeType.KEYWORD, ("id", "tenant")),
        (AttributeType.KEYWORD_SET, ("compartments", "groups", "principals")),
    )
    for name in names
}
"""What every asker has, beside a clearance, which is typed as the classification is."""

_ORDERED: Final = (AttributeType.INTEGER, AttributeType.DATETIME)


def read(node: ast.expr, names: Names, *, rule: bool = False) -> Term:
    """Return the term of `node`.

    Args:
        node: from `acl.language.expression.parse`.
        names: what its names stand for.
        rule: the node is itself the content of a rule column, which may hold no `eval`.

    Raises:
        ExpressionError: naming the operator that has no filter form.
    """
    return _Reader(names, rule=rule).term(node)


class _Reader:
    def __init__(self, names: Names, *, rule: bool) -> None:
        self._names, self._rule = names, rule

    def term(self, node: ast.expr) -> Term:
        try:
            return self._term(node)
        except ExpressionError as error:
            raise placed(error, node) from None

    def _term(self, node: ast.expr) -> Term:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return AllOf(tuple(map(self.term, values)))
            case ast.BoolOp(op=ast.Or(), values=values):
                return AnyPart(tuple(map(self.term, values)))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Negation(self.term(operand))
            case ast.Call(func=ast.Name(id="eval")):
                return self._eval(node)
            case ast.Compare() if (truth := self._truth(node)) is not None:
                return truth
            case _ if not self._names.touches(node):
                return self._known(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._call(function, arguments)
            case ast.Name() | ast.Attribute():
                return self._bare(node)
            case _:
                raise ExpressionError(source(node), "has no form in the filter")  # law 1

    def _truth(self, node: ast.Compare) -> Term | None:
        """Read a condition that is compared with True or False."""
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as sign], comparators=[right]):
                if isinstance(left, ast.Constant):
                    left, right = right, left
            case _:
                return None
        if not isinstance(right, ast.Constant) or not isinstance(right.value, bool):
            return None
        decides = self._names.touches(left) or "eval" in _called(left)
        if not decides or not isinstance(left, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call):
            return None
        term = self.term(left)
        return term if right.value is isinstance(sign, ast.Eq) else Negation(term)

    def _bare(self, node: ast.expr) -> Term:
        """A boolean attribute by itself."""
        attribute = self._resource(node)
        if attribute.type is not AttributeType.BOOLEAN:
            raise ExpressionError(source(node), "is not a boolean")
        return Compare(attribute, "==", self._known(ast.Constant(value=True)))

    def _eval(self, node: ast.Call) -> Rule:
        if self._rule:
            raise ExpressionError("eval", "a rule column cannot hold another `eval`")
        match node.args:
            case [ast.Name(id=name)] if name in self._names.columns:
                return Rule(name)
            case _:
                raise ExpressionError(source(node), "`eval` takes one column of the policy")

    def _known(self, node: ast.expr) -> Known:
        names: set[str] = set()
        defined = self._callable | self._names.columns | self._names.known
        for part in ast.walk(node):
            match part:
                case ast.Call(func=ast.Name(id=function), args=arguments):
                    self._check_function(function, len(arguments))
                case ast.Name(id=name) if name in self._names.columns | self._names.known:
                    names.add(name)
                case ast.Attribute(value=ast.Name(id=name)) if name not in defined:
                    raise ExpressionError(source(part), self._names.undefined(name))
                case ast.Name(id=name) if name not in defined:
                    raise ExpressionError(source(part), self._names.undefined(name))
                case _:
                    pass
        asks = bool(names & self._names.known) or bool(_called(node) & self._names.roles.keys())
        return Known(_hoisted(node), tuple(sorted(names & self._names.columns)), asks)

    @property
    def _callable(self) -> frozenset[str]:
        return frozenset(FUNCTIONS) | frozenset(self._names.roles)

    def _check_function(self, function: str, given: int) -> None:
        if function not in self._callable:
            near = get_close_matches(function, self._callable, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ExpressionError(function, f"is not a function of Casbin or of the model{hint}")
        role = self._names.roles.get(function)
        if role and role.arity != given:
            raise ExpressionError(function, f"is defined over {role.arity} names, not {given}")

    def _comparison(self, node: ast.Compare) -> Term:
        operands = (node.left, *node.comparators)
        parts = [
            self._compare(left, operator, right)
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Term:
        match operator:
            case ast.In():
                return self._membership(left, right)
            case ast.NotIn():
                return Negation(self._membership(left, right))
            case _:
                return self._relation(left, _OPERATORS[type(operator)], right)

    def _relation(self, left: ast.expr, operator: str, right: ast.expr) -> Term:
        if not self._names.touches(left) and not self._names.touches(right):
            ops: list[ast.cmpop] = [one() for one, text in _OPERATORS.items() if text == operator]
            return self._known(ast.Compare(left=left, ops=ops, comparators=[right]))
        if not self._names.touches(left):
            left, operator, right = right, _MIRRORED[operator], left
        if self._names.touches(right):
            raise ExpressionError(operator, "compares two attributes of the resource")
        if isinstance(left, ast.Call) and "size" in _called(left) and len(left.args) == 1:
            counted = self._set(self._resource(left.args[0]), "size")
            return Sized(counted, operator, self._known(right))
        attribute = self._resource(left)
        if attribute.type is AttributeType.KEYWORD_SET:
            raise ExpressionError(operator, f"`{attribute.name}` is a set; use any_of or subset_of")
        if operator not in {"==", "!="} and attribute.type not in _ORDERED:  # law 2
            raise ExpressionError(operator, f"`{attribute.name}` is not a number or a date")
        return Compare(attribute, operator, self._known(right))

    def _membership(self, left: ast.expr, right: ast.expr) -> Term:
        if self._names.touches(left) and self._names.touches(right):
            raise ExpressionError("in", "compares two attributes of the resource")
        if isinstance(right, ast.List | ast.Tuple) and self._names.touches(right):
            return self._one_of(left, right.elts)
        if self._names.touches(right):
            attribute = self._resource(right)
            if attribute.type is not AttributeType.KEYWORD_SET:
                raise ExpressionError("in", f"`{attribute.name}` is not a set: this is a substring")
            return Contains(attribute, self._known(left))
        if not self._names.touches(left):
            return self._known(ast.Compare(left=left, ops=[ast.In()], comparators=[right]))
        attribute = self._resource(left)
        if attribute.type is AttributeType.KEYWORD_SET:
            raise ExpressionError("in", f"`{attribute.name}` is a set; use any_of or subset_of")
        operand = self._known(right)
        if isinstance(right, ast.Name) and right.id in self._names.columns:
            raise ExpressionError("in", "a column is a text, so this would be a substring test")
        return Among(attribute, operand)

    def _one_of(self, left: ast.expr, entries: list[ast.expr]) -> Term:
        """Whether a value of the asker is one of several, some of which the label has.

        Python evaluates the whole list first: where one attribute is missing, all of it raises.
        """
        given = [entry for entry in entries if not self._names.touches(entry)]
        equal = [self._relation(entry, "==", left) for entry in entries if entry not in given]
        listed = ast.Compare(
            left=left, ops=[ast.In()], comparators=[ast.List(elts=given, ctx=ast.Load())]
        )
        read = (AnyPart((part, Negation(part))) for part in equal)
        return AllOf((*read, AnyPart((self._known(listed), *equal))))

    def _call(self, function: str, arguments: list[ast.expr]) -> Term:
        self._check_function(function, len(arguments))
        if function in self._names.roles:
            return self._role(function, arguments)
        if function in PRESENCE and len(arguments) == 1:
            known = self._known(ast.Constant(value=function == "present"))
            return There(self._named(arguments[0], function), known)
        if function == "size":
            raise ExpressionError(function, "counts one set, and is compared with a number")
        if len(arguments) != 2:  # noqa: PLR2004 - each of these takes a pair
            raise ExpressionError(function, "takes two arguments")
        left, right = arguments
        if function == "any_of" and self._names.touches(right):
            left, right = right, left
        if function == "subset_of" and not self._names.touches(left):
            return Covers(self._set(self._resource(right), function), self._known(left))
        if not self._names.touches(left) or self._names.touches(right):
            raise ExpressionError(function, "the resource may stand only in its first argument")
        attribute, operand = self._resource(left), self._known(right)
        match function:
            case "any_of":
                return Overlaps(self._set(attribute, function), operand)
            case "subset_of":
                return Within(self._set(attribute, function), operand)
            case _ if function in PATH_FUNCTIONS:
                return Matches(self._text(left, function), function, operand)
            case _:
                raise ExpressionError(function, "has no form in the filter on a resource")

    def _role(self, graph: str, arguments: list[ast.expr]) -> Term:
        touching = [self._names.touches(argument) for argument in arguments]
        first, second, *rest = arguments
        match touching:
            case [True, False] | [True, False, False]:
                return ResourceRole(
                    self._text(first, graph), graph, self._known(second), self._domain(rest)
                )
            case [False, True] | [False, True, False]:
                return ResourceHolder(
                    self._text(second, graph), graph, self._known(first), self._domain(rest)
                )
            case [False, False, True]:
                return RoleInDomain(
                    self._text(rest[0], graph), graph, self._known(first), self._known(second)
                )
            case _:
                raise ExpressionError(graph, "reads the resource in more than one place")

    def _domain(self, rest: list[ast.expr]) -> Known | None:
        return self._known(rest[0]) if rest else None

    def _resource(self, node: ast.expr) -> Attribute:
        attribute = self._names.attribute(node)
        if attribute is None:
            raise ExpressionError(source(node), "computes with an attribute of the resource")
        return attribute

    def _named(self, node: ast.expr, function: str) -> Attribute:
        if not isinstance(node, ast.Attribute):
            raise ExpressionError(function, "takes an attribute, such as r.obj.review")
        return self._resource(node)

    def _text(self, node: ast.expr, function: str) -> Attribute:
        attribute = self._resource(node)
        if attribute.type not in {AttributeType.KEYWORD, AttributeType.PATH}:
            raise ExpressionError(function, f"`{attribute.name}` is not a text")
        return attribute

    def _set(self, attribute: Attribute, function: str) -> Attribute:
        if attribute.type is not AttributeType.KEYWORD_SET:
            raise ExpressionError(function, f"`{attribute.name}` is not a set")
        return attribute


class _Hoist(ast.NodeTransformer):
    """Turns `r_sub.id` into one name, which the evaluation looks up once for all rows."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name):
            return ast.Name(id=f"{node.value.id}.{node.attr}", ctx=node.ctx)
        return self.generic_visit(node)


def _hoisted(node: ast.expr) -> ast.expr:
    hoisted: ast.expr = _Hoist().visit(copy.deepcopy(node))
    return hoisted


def _called(node: ast.expr) -> set[str]:
    return {
        part.func.id
        for part in ast.walk(node)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)
    }
