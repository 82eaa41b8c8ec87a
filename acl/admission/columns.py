"""What the texts of a policy are compared with, learned from how matcher and rules use them.

The laws of this file:

1. What a text is compared with is said by a comparison, a membership, a role or `keyMatch`, and by
   nothing else. The names of the row's columns decide nothing.
2. A column that is also used in another way is open: nothing is known of its values. So is one that
   no expression reads, or compares with texts of its own alone.
3. Under a `!` a text is compared with the same as without one; which columns stand there is told,
   because what matches nothing is always true there.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from acl.decision import TENANT
from acl.labels import OWNER, PATH, READERS, AttributeType
from acl.language.casbin_adapter import Row
from acl.language.expression import parse
from acl.language.terms import PATH_FUNCTIONS, Rule, walk
from acl.policy.decide import SUBJECT_COLUMNS, TENANT_COLUMNS
from acl.policy.policy import Policy

KINDS: Final = ("user", "group", "role", "service", "agent")
EVERY_KIND: Final = frozenset(KINDS)
ASKERS: Final = frozenset({"user", "service", "agent"})
HELD: Final = frozenset({"group", "role"})


@dataclass(frozen=True, slots=True)
class Named:
    """An identity of one of some kinds; `pattern` if a star may end it."""

    kinds: frozenset[str]
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Tenanted:
    """A tenant; `pattern` if a star may end it."""

    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """The path of a document, compared as a whole (`function` is empty) or by a function."""

    function: str = ""


@dataclass(frozen=True, slots=True)
class Spelt:
    """A text that the expression itself holds."""

    text: str


Use: TypeAlias = Named | Tenanted | Placed | Spelt


@dataclass(frozen=True, slots=True)
class Mention:
    """A text within an expression, and what it is compared with."""

    text: str
    use: Use


class Columns:
    """What the columns and the texts of one policy are compared with."""

    def __init__(self, policy: Policy) -> None:
        """Read the matcher; rules are read when they are asked about."""
        self._policy = policy
        request, columns = policy.names.request
        self._subjects = {f"{request}_{one}" for one in SUBJECT_COLUMNS & set(columns)}
        self._tenants = {f"{request}_{one}" for one in TENANT_COLUMNS & set(columns)}
        self._tenants |= {f"{one}.tenant" for one in self._subjects}
        self._matcher = parse(policy.model.matchers[f"m{policy.suffix}"])

    @cached_property
    def rule_columns(self) -> frozenset[str]:
        """The columns that hold conditions."""
        return frozenset(one.column for one in walk(self._policy.term) if isinstance(one, Rule))

    @cached_property
    def uses(self) -> Mapping[str, frozenset[Use]]:
        """What the values of each column are compared with; open ones are left out (law 2)."""
        found: defaultdict[str, set[Use]] = defaultdict(set)
        read = set[str]()
        for tree in (self._matcher, *map(parse, self._policy.rule_terms)):
            used = [(node, use) for node, use in self._uses(tree) if isinstance(node, ast.Name)]
            for node, use in used:
                found[node.id].add(use)
            known = {id(node) for node, _ in used}
            names = (one for one in ast.walk(tree) if isinstance(one, ast.Name))
            read |= {one.id for one in names if id(one) not in known}
        closed = found.keys() & set(self._policy.columns) - read - self.rule_columns
        return {
            column: frozenset(found[column])
            for column in closed
            if not all(isinstance(use, Spelt) for use in found[column])
        }

    @cached_property
    def negated(self) -> frozenset[str]:
        """The columns that stand under a `!`, a `!=` or a `not in` of the matcher (law 3)."""
        nodes = (node for node in ast.walk(self._matcher) if _denies(node))
        return frozenset(
            one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)
        )

    def asks_plainly(self, text: str | None = None) -> bool:
        """Say whether a rule, or the matcher, calls no function on the asker that is not known."""
        tree = self._matcher if text is None else parse(text)
        known = {"eval", "any_of", "subset_of", *self._policy.model.roles}
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        return all(
            (isinstance(one.func, ast.Name) and one.func.id in known)
            or not any(_spelling(part) in self._subjects for part in ast.walk(one))
            or any(use is not None for _, use in self._uses(one))
            for one in calls
        )

    def mentions(self, text: str | None = None) -> Iterator[Mention]:
        """Yield the texts within a rule, or those within the matcher, with what they meet."""
        tree = self._matcher if text is None else parse(text)
        for node, use in self._uses(tree):
            match node, use:
                case ast.Constant(value=str(said)), Named() | Tenanted() | Placed():
                    yield Mention(said, use)
                case _:
                    pass

    @cached_property
    def askers_roles(self) -> frozenset[str]:
        """The role definitions in which askers have roles."""
        trees = (self._matcher, *map(parse, self._policy.rule_terms))
        nodes = [node for tree in trees for node in ast.walk(tree)]
        called = {
            node.func.id
            for node in nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.args
            and self._is_asker(node.args[0])
        }
        held = any(isinstance(node, ast.Attribute) and self._holds(node) for node in nodes)
        return frozenset(self._policy.model.roles.keys() & (called | ({"g"} if held else set())))

    def link_uses(self, row: Row) -> tuple[Use | None, ...]:
        """Return what the name, the role and the domain of an asker's link are compared with."""
        by = self._policy.matching.get(row.kind)
        names = None if by is not None and by.names else Named(EVERY_KIND)
        roles = None if by is not None and by.names else Named(HELD)
        if self._policy.model.roles[row.kind].arity == 2:  # noqa: PLR2004 - a link without a domain
            return names, roles
        return names, roles, None if by is not None and by.domains else Tenanted()

    def _uses(self, tree: ast.expr) -> Iterator[tuple[ast.expr, Use]]:
        for node in ast.walk(tree):
            match node:
                case ast.Compare(left=left, ops=ops, comparators=rest):
                    for one, operator, other in zip((left, *rest), ops, rest, strict=False):
                        yield from self._compared(one, operator, other)
                case ast.Call(func=ast.Name(id=function), args=arguments):
                    yield from self._called(function, arguments)
                case _:
                    pass

    def _compared(
        self, left: ast.expr, operator: ast.cmpop, right: ast.expr
    ) -> Iterator[tuple[ast.expr, Use]]:
        match operator, right:
            case ast.Eq() | ast.NotEq(), _:
                yield from self._beside(left, right)
                yield from self._beside(right, left)
            case ast.In() | ast.NotIn(), ast.List(elts=parts) | ast.Tuple(elts=parts):
                for part in parts:
                    yield from self._beside(part, left)
                    yield from self._beside(left, part)
            case ast.In() | ast.NotIn(), _:
                use = self._element(right)
                if use is not None:
                    yield left, use
            case _:
                pass

    def _beside(self, text: ast.expr, other: ast.expr) -> Iterator[tuple[ast.expr, Use]]:
        """Yield what `text` is compared with, where `other` is what stands beside it."""
        match other:
            case ast.Constant(value=str(said)):
                yield text, Spelt(said)
            case _ if self._is_asker(other):
                yield text, Named(ASKERS)
            case _ if _spelling(other) in self._tenants:
                yield text, Tenanted()
            case _:
                attribute = self._policy.names.attribute(other)
                use = None if attribute is None else _of_label(attribute.name, attribute.type)
                if use is not None:
                    yield text, use

    def _element(self, names: ast.expr) -> Use | None:
        """Return what the elements of `names` are, as far as that is known."""
        attribute = self._policy.names.attribute(names)
        if attribute is not None:
            return Named(EVERY_KIND) if attribute.name == READERS else None
        record, _, name = _spelling(names).partition(".")
        if record not in self._subjects:
            return None
        return {"groups": Named(HELD), "principals": Named(EVERY_KIND)}.get(name)

    def _called(self, function: str, arguments: list[ast.expr]) -> Iterator[tuple[ast.expr, Use]]:
        match arguments:
            case [asker, role, *domain] if function in self._policy.model.roles:
                by = self._policy.matching.get(function)
                if self._is_asker(asker) and not (by is not None and by.names):
                    yield role, Named(EVERY_KIND)
                if domain and not (by is not None and by.domains):
                    yield domain[0], Tenanted()
            case [text, pattern] if function in PATH_FUNCTIONS:
                use = self._matched(text, function)
                if use is not None:
                    yield pattern, use
            case [ours, theirs] if function in {"any_of", "subset_of"}:
                for names, other in ((ours, theirs), (theirs, ours)):
                    use, parts = self._element(names), getattr(other, "elts", ())
                    if use is not None:
                        yield from ((part, use) for part in parts)
            case _:
                pass

    def _matched(self, text: ast.expr, function: str) -> Use | None:
        """Return what a pattern is compared with, which stands beside `text`."""
        attribute = self._policy.names.attribute(text)
        if attribute is not None and attribute.name == PATH:
            return Placed(function)
        if function != "keyMatch":
            return None
        if attribute is not None:
            return Tenanted(pattern=True) if attribute.name == TENANT else None
        if self._is_asker(text):
            return Named(ASKERS, pattern=True)
        return Tenanted(pattern=True) if _spelling(text) in self._tenants else None

    def _is_asker(self, node: ast.expr) -> bool:
        return _spelling(node).removesuffix(".id") in self._subjects

    def _holds(self, node: ast.expr) -> bool:
        record, _, name = _spelling(node).partition(".")
        return record in self._subjects and name in {"groups", "principals"}


def _denies(node: ast.AST) -> bool:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Compare(ops=ops):
            return any(isinstance(one, ast.NotEq | ast.NotIn) for one in ops)
        case _:
            return False


def _of_label(name: str, kind: AttributeType) -> Use | None:
    """Return what an attribute of the label is compared with as a whole."""
    if name == PATH and kind is AttributeType.PATH:
        return Placed()
    if name == TENANT:
        return Tenanted()
    return Named(EVERY_KIND) if name == OWNER else None


def _spelling(node: ast.AST) -> str:
    """Return a name such as `r_sub` or `r_sub.id`, or nothing."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=record), attr=name):
            return f"{record}.{name}"
        case _:
            return ""
