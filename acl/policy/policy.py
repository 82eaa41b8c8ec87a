"""A policy: a model and its rows, read strictly, ready to be compiled, and never changed again.

The laws of this file:

1. A policy loads as a whole or not at all. Every place that cannot be enforced inside the query is
   named with its line, its column, the operator and the reason.
2. What would raise for every label because of its types is refused here, not met at request time.
3. Two policies with the same meaning to Casbin have the same digest only if they are the same
   text: the digest covers the model, every row in order, the matching functions and the schema.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from acl.algebra.leaves import outcome_of
from acl.algebra.outcome import RAISES
from acl.algebra.partial import evaluated, operands
from acl.errors import PolicyError, Refusal
from acl.labels import LabelSchema
from acl.language.casbin_adapter import (
    MATCHING_FUNCTIONS,
    CasbinError,
    Effect,
    Model,
    Oracle,
    PatternedRoleGraph,
    RoleDefinition,
    RoleGraph,
    RoleMatching,
    Row,
    ordered,
    parse_model,
)
from acl.language.expression import ExpressionError, attributes_read, bare_names, parse, source
from acl.language.fragment import Names, read
from acl.language.literals import read_literals
from acl.language.matching_file import MATCHING_FILE
from acl.language.model_file import MODEL_FILE
from acl.language.roles import Link, PlainRoleGraph, Window
from acl.language.rules_file import role_columns, wrong_length
from acl.language.terms import (
    AllOf,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Term,
    Touching,
    known_columns,
    walk,
)

RESOURCE_COLUMNS: Final = frozenset(
    {"obj", "object", "res", "resource", "thing", "document", "doc", "item"}
)
"""Columns of a request that are the resource's side, unless the caller names others."""

_EFFECTS: Final = tuple(effect for effect in Effect if effect is not Effect.DENY_OVERRIDE)
_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A validated policy for one set of definitions (`r p m`, or `r2 p2 m2`).

    Attributes:
        model: the parsed model.
        rows: every row as it was given, role links included.
        rules: the rows that decide, in the order in which Casbin evaluates them.
        columns: the policy's columns, prefixed as the matcher names them.
        effect: how effects combine.
        term: the matcher.
        conjuncts: the parts that the matcher joins with `&&`, each with its text.
        opening: the part of the matcher before it first reads a label; false for most rows.
        groups: positions in `rules` of the rows on which the opening cannot differ.
        rule_terms: the term of each text that stands in a rule column.
        casbin_texts: what Casbin is given for the matcher and rule texts that name levels or dates.
        graphs: the role definitions.
        names: what the names in the matcher stand for.
        bare: names that the matcher or a rule uses without an attribute, such as `r_act`.
        subject_attributes: what the matcher or a rule reads of the asker's records.
        boundaries: every moment at which a time-limited link changes, sorted.
        digest: SHA-256 over all of it.
    """

    model: Model
    rows: tuple[Row, ...]
    rules: tuple[Row, ...]
    columns: tuple[str, ...]
    effect: Effect
    term: Term
    conjuncts: tuple[tuple[str, Term], ...]
    opening: Term
    groups: tuple[tuple[int, ...], ...]
    rule_terms: Mapping[str, Term]
    casbin_texts: Mapping[str, str]
    graphs: Mapping[str, RoleGraph]
    matching: Mapping[str, RoleMatching]
    names: Names
    boundaries: tuple[datetime, ...]
    bare: frozenset[str]
    subject_attributes: frozenset[str]
    suffix: str
    digest: str

    @property
    def schema(self) -> LabelSchema:
        """The label's attributes, against which the policy was typed."""
        return self.names.schema

    def named(self, row: Row) -> Mapping[str, str]:
        """Return the columns of a row under the names that the matcher uses."""
        return dict(zip(self.columns, row.values, strict=True))

    def effect_of(self, row: Row) -> str:
        """Return what stands in the row's effect column, `allow` if there is none."""
        return self.named(row).get(f"p{self.suffix}_eft", "allow")

    def tree(self, text: str) -> ast.expr:
        """Return the syntax tree of the matcher or a rule, with numbers for levels and moments."""
        return read_literals(parse(text), self.names, text)[0]

    def oracle(self, at: datetime, *, parse_once: bool = False) -> Oracle:
        """Return Casbin over this policy, as of a moment in UTC."""
        rules = {part.column for part in walk(self.term) if isinstance(part, Rule)}
        places = {place for place, column in enumerate(self.columns) if column in rules}
        matchers = {
            key: self.casbin_texts.get(text, text) for key, text in self.model.matchers.items()
        }
        return Oracle(
            replace(self.model, matchers=matchers),
            tuple(self._for_casbin(row, places) for row in self.rows),
            self.matching,
            self.suffix,
            at=at,
            parse_once=parse_once,
        )

    def _for_casbin(self, row: Row, places: Collection[int]) -> Row:
        if row.kind != f"p{self.suffix}" or self.casbin_texts.keys().isdisjoint(row.values):
            return row
        values = (
            self.casbin_texts.get(text, text) if place in places else text
            for place, text in enumerate(row.values)
        )
        return replace(row, values=tuple(values))

    def with_rows(self, rows: Sequence[Row]) -> Policy:
        """Return the policy with other rows, read as strictly as this one.

        Raises:
            PolicyError: with every place that is refused.
        """
        return load(
            self.model.text,
            rows,
            self.schema,
            matching=self.matching,
            resource=self.names.resource,
            suffix=self.suffix,
        )


def load(  # noqa: PLR0913 - each is a part of what a policy is
    model_text: str,
    rows: Sequence[Row],
    schema: LabelSchema,
    *,
    matching: Mapping[str, RoleMatching] | None = None,
    resource: frozenset[str] = RESOURCE_COLUMNS,
    suffix: str = "",
) -> Policy:
    """Read a policy.

    Args:
        model_text: the content of `model.conf`.
        rows: every row, of every kind, in file order.
        schema: declares the label's attributes.
        matching: functions that match the names or domains of a role definition.
        resource: columns of the request that are the resource's side.
        suffix: which definitions decide: `""` for `r p m`, `"2"` for `r2 p2 m2`.

    Raises:
        PolicyError: with every place that is refused.
    """
    return _Loader(model_text, tuple(rows), schema, matching or {}, resource, suffix).policy()


@dataclass(slots=True)
class _Loader:
    model_text: str
    rows: tuple[Row, ...]
    schema: LabelSchema
    matching: Mapping[str, RoleMatching]
    resource: frozenset[str]
    suffix: str
    refusals: list[Refusal] = field(default_factory=list)
    bare: set[str] = field(default_factory=set)
    casbin_texts: dict[str, str] = field(default_factory=dict)
    read: set[tuple[str, str]] = field(default_factory=set)

    def policy(self) -> Policy:
        try:
            model = parse_model(self.model_text)
        except CasbinError as error:
            raise PolicyError((Refusal(MODEL_FILE, "model", str(error)),)) from error
        self._check_model(model)
        self._check_rows(model)
        self._stop_if_refused()
        names = self._names(model)
        graphs = {
            kind: graph_of(
                [row for row in self.rows if row.kind == kind], definition, self.matching.get(kind)
            )
            for kind, definition in model.roles.items()
        }
        term = self._term(model.matchers[f"m{self.suffix}"], names)
        rules = self._ordered(model)
        self._stop_if_refused()
        columns = tuple(f"p{self.suffix}_{one}" for one in names.policy[1])
        terms = dict(self._rule_terms(term, rules, names, columns))
        self._stop_if_refused()
        self._check_operands(term, terms, rules, columns, graphs)
        self._stop_if_refused()
        opening = _opening(term)
        moments = {moment for graph in graphs.values() for moment in graph.boundaries()}
        return Policy(
            model=model,
            rows=self.rows,
            rules=rules,
            columns=columns,
            effect=Effect(model.effect),
            term=term,
            conjuncts=_conjuncts(model.matchers[f"m{self.suffix}"], term),
            opening=opening,
            groups=_groups(opening, rules, columns),
            rule_terms=terms,
            casbin_texts=self.casbin_texts,
            graphs=graphs,
            matching=self.matching,
            names=names,
            boundaries=tuple(sorted(moments)),
            bare=frozenset(self.bare),
            subject_attributes=frozenset(
                attribute for record, attribute in self.read if record in names.known
            ),
            suffix=self.suffix,
            digest=self._digest(),
        )

    def _stop_if_refused(self) -> None:
        if self.refusals:
            raise PolicyError(tuple(self.refusals))  # law 1

    def _refuse(self, where: str, operator: str, reason: str, column: str = "") -> None:
        self.refusals.append(Refusal(where, operator, reason, column))

    def _refuse_expression(self, where: str, error: ExpressionError, column: str = "") -> None:
        position = 0 if error.at is None else error.at + 1
        self.refusals.append(Refusal(where, error.operator, error.reason, column, position))

    def _check_model(self, model: Model) -> None:
        for kind, defined in (("r", model.requests), ("p", model.policies), ("m", model.matchers)):
            if f"{kind}{self.suffix}" not in defined:
                self._refuse(MODEL_FILE, f"{kind}{self.suffix}", "is not defined")
        if model.effect not in [effect.value for effect in Effect]:
            known = ", ".join(f"`{_shown(effect.value)}`" for effect in _EFFECTS)
            reason = f"is not an effect that Casbin knows; write, blank by blank, one of {known}"
            self._refuse(MODEL_FILE, _shown(model.effect), reason)
        elif Effect(model.effect) is Effect.DENY_OVERRIDE:
            reason = "permits what no rule denies, so an unlabelled document would be visible"
            self._refuse(MODEL_FILE, _shown(model.effect), reason)
        self._check_roles(model.roles)

    def _check_roles(self, roles: Mapping[str, RoleDefinition]) -> None:
        for kind, definition in roles.items():
            if definition.arity not in (2, 3):
                self._refuse(MODEL_FILE, kind, "links two names, and at most one domain")
            if definition.timed and kind in self.matching:
                self._refuse(MATCHING_FILE, kind, "a time window and a matching function exclude")
        if len({definition.timed for definition in roles.values()}) > 1:
            # With both kinds, Casbin answers every plain definition by comparing names.
            reason = "Casbin ignores plain role definitions beside time-limited ones"
            self._refuse(MODEL_FILE, "role_definition", reason)
        for kind in sorted(self.matching.keys() - roles.keys()):
            self._refuse(MATCHING_FILE, kind, "is no role definition of the model")
        for kind, by in self.matching.items():
            for name in (by.names, by.domains):
                if name is not None and name not in MATCHING_FUNCTIONS:
                    known = ", ".join(MATCHING_FUNCTIONS)
                    reason = f"is not a matching function; there are {known}"
                    self._refuse(MATCHING_FILE, name, reason)
            if by.domains and kind in roles and roles[kind].arity == 2:  # noqa: PLR2004 - two names
                self._refuse(MATCHING_FILE, kind, "its links have no domain to match")

    def _check_rows(self, model: Model) -> None:
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for row in self.rows:
            definition = model.roles.get(row.kind)
            if row.kind in model.policies:
                self._check_length(row, model.policies[row.kind])
            elif definition is None:
                kinds = ", ".join(f"`{kind}`" for kind in (*model.policies, *model.roles))
                reason = f"is not defined by the model; a row begins with {kinds}, and a comma"
                self._refuse(_line(row), row.kind[:40], reason)
            else:
                self._check_length(row, role_columns(definition))
                self._check_window(row, definition, seen)

    def _check_length(self, row: Row, columns: Sequence[str]) -> None:
        if reason := wrong_length(row, columns):
            self._refuse(_line(row), row.kind, reason)

    def _check_window(
        self, row: Row, definition: RoleDefinition, seen: set[tuple[str, tuple[str, ...]]]
    ) -> None:
        if not definition.timed or len(row.values) != definition.arity + 2:
            return
        try:
            Window.parse(*row.values[-2:])
        except ValueError:
            reason = "a window is `_` or a moment such as 2026-01-31 17:00:00, in UTC"
            self._refuse(_line(row), row.kind, reason)
        link = row.kind, row.values[: definition.arity]
        if link in seen:
            self._refuse(_line(row), row.kind, "repeats a link; Casbin keeps the last window only")
        seen.add(link)

    def _names(self, model: Model) -> Names:
        return Names(
            request=(f"r{self.suffix}", model.requests[f"r{self.suffix}"]),
            policy=(f"p{self.suffix}", model.policies[f"p{self.suffix}"]),
            resource=self.resource,
            schema=self.schema,
            roles=model.roles,
        )

    def _term(self, text: str, names: Names) -> Term:
        try:
            return self._read(text, names, rule=False)
        except ExpressionError as error:
            self._refuse_expression(MODEL_FILE, error)
            return AllOf(())

    def _read(self, text: str, names: Names, *, rule: bool) -> Term:
        tree = parse(text)
        self.bare |= bare_names(tree)
        self.read |= attributes_read(tree)
        tree, for_casbin = read_literals(tree, names, text)
        if for_casbin != text:
            self.casbin_texts[text] = for_casbin
        return read(tree, names, rule=rule)

    def _ordered(self, model: Model) -> tuple[Row, ...]:
        try:
            rows = ordered(model, self.rows)
        except CasbinError as error:
            self._refuse(MODEL_FILE, _shown(model.effect), str(error))
            return ()
        return tuple(row for row in rows if row.kind == f"p{self.suffix}")

    def _rule_terms(
        self, term: Term, rules: Iterable[Row], names: Names, columns: tuple[str, ...]
    ) -> Iterator[tuple[str, Term]]:
        places = [columns.index(part.column) for part in walk(term) if isinstance(part, Rule)]
        done: set[str] = set()
        for row in rules:
            for place in places:
                text = row.values[place]
                if text in done:
                    continue
                try:
                    yield text, self._read(text, names, rule=True)
                    done.add(text)
                except ExpressionError as error:
                    self._refuse_expression(_line(row), error, names.policy[1][place])

    def _check_operands(
        self,
        term: Term,
        terms: Mapping[str, Term],
        rules: Iterable[Row],
        columns: tuple[str, ...],
        graphs: Mapping[str, RoleGraph],
    ) -> None:
        shared = {part for part in walk(term) if isinstance(part, Touching)}
        done: set[tuple[Term, tuple[str, ...]]] = set()
        for row in rules:
            named = dict(zip(columns, row.values, strict=True))
            for part in _all_terms(term, terms, named):
                if not isinstance(part, Touching):
                    continue
                read = {column for operand in operands(part) for column in operand.columns}
                own = tuple(named[column] for column in sorted(read))
                key = part, own if part in shared else row.values
                if key not in done:
                    done.add(key)
                    where = MODEL_FILE if part in shared and not read else _line(row)
                    self._check_operand(where, part, named, graphs)

    def _check_operand(
        self, where: str, term: Touching, named: Mapping[str, str], graphs: Mapping[str, RoleGraph]
    ) -> None:
        values = evaluated(term, named)
        if values is None:
            if isinstance(term, ResourceRole | ResourceHolder | RoleInDomain):
                self._check_names(where, term, named)
            return
        try:
            raises = not values or outcome_of(term, values, graphs, _NO_MOMENT) == RAISES
        except ExpressionError as error:
            self._refuse(where, error.operator, error.reason)
            return
        if raises:  # law 2
            reason = "raises for every document, by its types: the other value is of another type"
            self._refuse(where, term.attribute.name, reason)

    def _check_names(
        self,
        where: str,
        term: ResourceRole | ResourceHolder | RoleInDomain,
        named: Mapping[str, str],
    ) -> None:
        """Refuse a name, role or domain that the row decides, and that is no text (law 2)."""
        for value in (evaluated(operand, named) for operand in operands(term)):
            if value is not None and not (value and isinstance(value[0], str)):
                self._refuse(where, term.graph, "a name, a role and a domain are texts")
                return

    def _digest(self) -> str:
        content: dict[str, object] = {  # law 3
            "model": self.model_text,
            "rows": [(row.kind, row.values) for row in self.rows],
            "matching": {kind: [by.names, by.domains] for kind, by in self.matching.items()},
            "schema": self.schema.digest,
            "suffix": self.suffix,
        }
        if self.schema.subject:
            content["subject"] = self.schema.subject_digest
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _shown(effect: str) -> str:
    """Return an effect as its author writes it."""
    return effect.replace("p_eft", "p.eft")


def _all_terms(term: Term, terms: Mapping[str, Term], named: Mapping[str, str]) -> Iterator[Term]:
    for part in walk(term):
        if isinstance(part, Rule):
            yield from walk(terms[named[part.column]])
        else:
            yield part


def graph_of(rows: Sequence[Row], definition: RoleDefinition, by: RoleMatching | None) -> RoleGraph:
    """Return the role graph of the rows of one definition; `by` matches names or domains."""
    if by is not None:
        return PatternedRoleGraph(rows, definition, by)
    return PlainRoleGraph((link_of(row, definition) for row in rows), timed=definition.timed)


def _conjuncts(text: str, term: Term) -> tuple[tuple[str, Term], ...]:
    """Return the parts that a matcher joins with `&&`, each with its text."""
    tree = parse(text)
    nodes = tree.values if isinstance(tree, ast.BoolOp) and isinstance(term, AllOf) else [tree]
    parts = term.parts if isinstance(term, AllOf) and len(nodes) > 1 else (term,)
    return tuple(zip(map(source, nodes), parts, strict=True))


def _opening(term: Term) -> Term:
    """Return the part of a matcher before it first reads a label.

    It is false for most rows, and the same for every label.
    """
    parts = term.parts if isinstance(term, AllOf) else (term,)
    return AllOf(tuple(takewhile(lambda part: known_columns(part) is not None, parts)))


def _groups(
    opening: Term, rules: Sequence[Row], columns: tuple[str, ...]
) -> tuple[tuple[int, ...], ...]:
    """Return the positions of the rows on which the opening cannot differ; one of each is asked."""
    read_by = known_columns(opening) or frozenset()
    places = [place for place, name in enumerate(columns) if name in read_by]
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rules):
        groups.setdefault(tuple(row.values[place] for place in places), []).append(position)
    return tuple(map(tuple, groups.values()))


def link_of(row: Row, definition: RoleDefinition) -> Link:
    """Return the link that a row of a role definition says."""
    name, role = row.values[:2]
    domain = row.values[2] if definition.arity > 2 else ""  # noqa: PLR2004 - name, role, domain
    window = Window.parse(*row.values[-2:]) if definition.timed else Window()
    return Link(name, role, domain, window)


def _line(row: Row) -> str:
    return f"policy.csv line {row.number}"
