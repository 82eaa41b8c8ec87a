"""The one module that talks to Casbin; its own words `sub obj act eft dom` stay in here.

The laws of this file:

1. Casbin is the oracle: what `enforce` says is what the policy means. From here the compiler takes
   the parsed model, the order of the rows, the evaluation of everything that a resource does not
   touch, and, for role definitions with matching functions, the role managers themselves.
2. Nothing reloads a live enforcer: each policy builds its own objects aside, and readers swap one
   reference.
3. Another Casbin than the one that was proved is refused at start-up.
4. An enforcer parses one expression at a time (`ONE_TREE_AT_A_TIME`).
5. No function takes longer than a text is long, whoever asks: see `acl.language.patterns`.
   `timeMatch` is left out, because it reads a clock that no decision could be kept by.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeAlias

import casbin
from casbin import util
from casbin.config import Config
from casbin.constant import constants
from casbin.rbac.default_role_manager import DomainManager, RoleManager
from casbin.util.expression import SimpleEval
from casbin.util.log import disabled_logging

from acl.decision import RuleId
from acl.errors import AclError
from acl.language import patterns
from acl.language.expression import ONE_TREE_AT_A_TIME
from acl.language.roles import HOPS, Link, PlainRoleGraph, Window, shortest

# Casbin logs subjects and resources, and a name with a line break forges a line.
disabled_logging()

Parse: TypeAlias = Callable[[str, object], Any]
"""How Casbin parses: a text and the functions that it may call, to an expression."""

_MINIMUM: Final = {"pycasbin": (2, 8, 0), "simpleeval": (1, 0, 8)}


class CasbinVersionError(AclError):
    """The installed Casbin is not the one whose behaviour was proved equal."""


class CasbinError(AclError):
    """Casbin itself refused a model or its rows."""


class Effect(Enum):
    """How the effects of the matching rows become one decision."""

    ALLOW_OVERRIDE = constants.ALLOW_OVERRIDE_EFFECT
    ALLOW_AND_DENY = constants.ALLOW_AND_DENY_EFFECT
    PRIORITY = constants.PRIORITY_EFFECT
    SUBJECT_PRIORITY = constants.SUBJECT_PRIORITY_EFFECT
    DENY_OVERRIDE = constants.DENY_OVERRIDE_EFFECT


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """One line under `[role_definition]`.

    Attributes:
        arity: names in a link: 2, or 3 with a domain.
        timed: whether a link carries the two columns of a time window.
    """

    arity: int
    timed: bool


@dataclass(frozen=True, slots=True)
class RoleMatching:
    """Names of Casbin's own functions that match the names or domains of a role definition."""

    names: str | None = None
    domains: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A parsed `model.conf`: what each line defines, with `r.` and `p.` still as written."""

    text: str
    requests: Mapping[str, tuple[str, ...]]
    policies: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, RoleDefinition]
    effect: str
    matchers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the policy.

    Attributes:
        number: position in the file, counted from 1.
        kind: `p`, `p2`, `g`, …
        values: the columns as text.
    """

    number: int
    kind: str
    values: tuple[str, ...]

    @property
    def id(self) -> RuleId:
        """Which row it is, in an answer."""
        return RuleId(self.kind, self.number)


MATCHING_FUNCTIONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "keyMatch": util.key_match,
    "keyMatch2": patterns.key_match2,
    "keyMatch3": patterns.key_match3,
    "keyMatch4": patterns.key_match4,
    "keyMatch5": patterns.key_match5,
    "regexMatch": patterns.regex_match,
    "globMatch": partial(patterns.glob_match, by=util.glob_match),
}
"""Casbin's functions, in bounded time: the compiler and the oracle call the same (law 5)."""


def any_of(ours: Collection[str], theirs: Collection[str]) -> bool:
    """Registered with Casbin: whether two lists share an element."""
    return not _set(ours).isdisjoint(_set(theirs))


def subset_of(ours: Collection[str], theirs: Collection[str]) -> bool:
    """Registered with Casbin: whether every element of the first list is in the second."""
    return _set(ours) <= _set(theirs)


def present(record: Mapping[str, object], name: str) -> bool:
    """Registered with Casbin: whether a record has a value under a name."""
    return name in record


def absent(record: Mapping[str, object], name: str) -> bool:
    """Registered with Casbin: whether a record has no value under a name."""
    return name not in record


def size(values: Collection[str]) -> int:
    """Registered with Casbin: how many elements a set has."""
    return len(_set(values))


def _set(values: Collection[str]) -> frozenset[str]:
    if isinstance(values, str):
        raise TypeError("expected a list of texts")
    return frozenset(values)


FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = {
    **MATCHING_FUNCTIONS,
    "keyGet": util.key_get,
    "keyGet2": patterns.key_get2,
    "keyGet3": patterns.key_get3,
    "ipMatch": util.ip_match,
    "any_of": any_of,
    "subset_of": subset_of,
    "present": present,
    "absent": absent,
    "size": size,
}
"""Every function a matcher may call on the asker's side, besides role definitions."""


def check_versions() -> None:
    """Refuse to work with another Casbin than the one that was proved (law 3).

    Raises:
        CasbinVersionError: the old package `casbin` shadows `pycasbin`, or a version is too low.
    """
    try:
        version("casbin")
    except PackageNotFoundError:
        pass
    else:
        raise CasbinVersionError("the old package `casbin` overwrites `pycasbin`; uninstall both")
    for package, minimum in _MINIMUM.items():
        installed = tuple(int(part) for part in version(package).split(".")[:3] if part.isdigit())
        if installed < minimum:
            needed = ".".join(map(str, minimum))
            raise CasbinVersionError(f"`{package}` is older than {needed}")


def parse_model(text: str) -> Model:
    """Read `model.conf` with Casbin's own reader.

    Raises:
        CasbinError: Casbin cannot read it, or a part is missing.
    """
    try:
        config, parsed = Config.new_config_from_text(text), _new_model(text)
    except Exception as error:
        raise CasbinError(f"Casbin cannot read the model ({type(error).__name__})") from error
    for section, name in (("r", "request_definition"), ("p", "policy_definition"),
                          ("e", "policy_effect"), ("m", "matchers")):  # fmt: skip
        if section not in parsed.keys():  # noqa: SIM118 - Casbin's model has no __contains__
            raise CasbinError(f"[{name}] is missing")
    roles = parsed["g"] if "g" in parsed.keys() else {}  # noqa: SIM118
    return Model(
        text=text,
        requests={key: _columns(key, one.tokens) for key, one in parsed["r"].items()},
        policies={key: _columns(key, one.tokens) for key, one in parsed["p"].items()},
        roles={
            key: RoleDefinition(len(one.tokens), timed=bool(one.params_tokens))
            for key, one in roles.items()
        },
        effect=parsed["e"]["e"].value,
        matchers={key: config.get(f"matchers::{key}") for key in parsed["m"]},
    )


def _columns(key: str, tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(token.removeprefix(f"{key}_") for token in tokens)


def _new_model(text: str) -> Any:  # noqa: ANN401 - Casbin is untyped
    return casbin.Enforcer.new_model(text=text)


def ordered(model: Model, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the `p` rows in the order in which Casbin evaluates them.

    Raises:
        CasbinError: Casbin cannot order them (mixed priorities, a cycle in the hierarchy).
    """
    holder, given = _new_model(model.text), {}
    for row in rows:
        values = list(row.values)
        given[id(values)] = row
        holder[row.kind[0]][row.kind].policy.append(values)
    try:
        holder.sort_policies_by_subject_hierarchy()
        holder.sort_policies_by_priority()
    except Exception as error:
        raise CasbinError(f"Casbin cannot order the rows ({error})") from error
    return tuple(
        given[id(values)] for assertion in holder["p"].values() for values in assertion.policy
    )


class PatternedRoleGraph:
    """A role definition with matching functions.

    Where names are matched, Casbin's own manager answers: asking about a name adds to the graph, so
    what a question added is taken away again. Where domains alone are, the links of a domain are
    those of all domains that match it.
    """

    def __init__(self, rows: Sequence[Row], definition: RoleDefinition, by: RoleMatching) -> None:
        """Keep the links; `by` names the matching functions."""
        self._rows, self._definition, self._by = rows, definition, by
        self._plain: dict[str, PlainRoleGraph] = {}
        self._managers: dict[str, Any] = {}

    @property
    def match(self) -> str | None:
        """Which function matches a name against the names of links, if one does."""
        return self._by.names

    def match_function(self, name: str, pattern: str) -> bool:
        """Say whether `pattern`, the name of a link, matches `name`."""
        return bool(self._by.names) and MATCHING_FUNCTIONS[str(self._by.names)](name, pattern)

    def has_link(self, name: str, role: str, domain: str, at: datetime) -> bool:
        """Say whether `name` reaches `role` in `domain`; windows cannot be combined with this."""
        if not self._by.names:
            return self._in(domain).has_link(name, role, domain, at)
        with self._asked(domain, name, role) as manager:
            return bool(manager.has_link(name, role))

    def reached(self, name: str, domain: str, at: datetime) -> frozenset[str]:
        """Return every name in the graph that `name` reaches, itself included."""
        if not self._by.names:
            return self._in(domain).reached(name, domain, at)
        with self._asked(domain, name) as manager:
            known, edge = set(manager.all_roles), {manager.all_roles[name]}
            seen = set(edge)
            for _ in range(HOPS):
                edge = {role for one in edge for role in one.roles} - seen
                seen |= edge
        apart = (role for role in set(self.names(domain)) - known)
        also = (role for role in apart if self.has_link(name, role, domain, at))
        return frozenset({name, *(role.name for role in seen), *also})

    def path(self, name: str, role: str, domain: str, at: datetime) -> tuple[str, ...] | None:
        """Return the names from `name` to `role`, the fewest that will do, or nothing."""
        if not self._by.names:
            return self._in(domain).path(name, role, domain, at)
        with self._asked(domain, name, role) as manager:
            return shortest(name, role, manager.get_roles, hops=HOPS)

    def circles(self, role: str, domain: str) -> bool:
        """Say whether `role` leads back to itself, and so does every name that it matches."""
        with self._asked(domain, role) as manager:
            return any(manager.has_link(reached, role) for reached in manager.get_roles(role))

    def _in(self, domain: str) -> PlainRoleGraph:
        """Return the links that count in `domain`, whose names are compared as they are."""
        if domain not in self._plain:
            if len(self._plain) >= _KEPT_DOMAINS:
                self._plain.clear()
            rows = [row.values for row in self._rows if self._matches(domain, row)]
            links = [Link(values[0], values[1], domain) for values in rows]
            self._plain[domain] = PlainRoleGraph(links, timed=False)
        return self._plain[domain]

    def _matches(self, domain: str, row: Row) -> bool:
        if self._definition.arity == 2 or row.values[2] == domain:  # noqa: PLR2004 - with a domain
            return True
        try:
            return bool(self._by.domains) and MATCHING_FUNCTIONS[str(self._by.domains)](
                domain, row.values[2]
            )
        except Exception:  # noqa: BLE001 - to Casbin, a pattern that raises matches nothing
            return False

    @contextmanager
    def _asked(self, domain: str, *names: str) -> Iterator[Any]:
        """Let Casbin's manager of a domain know some names, and forget those that are new."""
        with _ONE_QUESTION:
            manager = self._manager(domain)
            new = [name for name in dict.fromkeys(names) if name not in manager.all_roles]
            for name in names:
                manager._get_role(name)  # noqa: SLF001 - as each of its questions begins
            try:
                yield manager
            finally:
                for name in reversed(new):
                    _forget(manager, name)

    def _manager(self, domain: str) -> Any:  # noqa: ANN401 - Casbin is untyped
        if domain not in self._managers:
            if len(self._managers) >= _KEPT_DOMAINS:
                self._managers.clear()
            self._managers[domain] = self._new_manager(domain)
        return self._managers[domain]

    def _new_manager(self, domain: str) -> Any:  # noqa: ANN401 - Casbin is untyped
        plain = self._definition.arity == 2  # noqa: PLR2004 - without a domain
        manager = RoleManager(10) if plain else DomainManager(10)
        # Casbin registers the functions on a manager that is loaded already, and rebuilds it.
        for row in self._rows:
            manager.add_link(*row.values[: self._definition.arity])
        manager.add_matching_func(MATCHING_FUNCTIONS[str(self._by.names)])
        if self._by.domains:
            manager.add_domain_matching_func(MATCHING_FUNCTIONS[self._by.domains])
        return manager if plain else manager._get_role_manager(domain)  # noqa: SLF001

    def names(self, domain: str) -> Iterable[str]:
        """Return every name that a link mentions, in any domain."""
        del domain
        return {name for row in self._rows for name in row.values[:2]}

    def domains(self) -> Iterable[str]:
        """Return every domain that a link mentions."""
        return {row.values[2] for row in self._rows if self._definition.arity > 2}  # noqa: PLR2004

    def boundaries(self) -> Iterable[datetime]:
        """Return nothing: these links have no window."""
        return ()


RoleGraph: TypeAlias = PlainRoleGraph | PatternedRoleGraph
"""A role definition such as `g`: who reaches which role."""

_KEPT_DOMAINS: Final = 64
_ONE_QUESTION: Final = threading.RLock()


def _forget(manager: Any, name: str) -> None:  # noqa: ANN401 - Casbin is untyped
    role = manager.all_roles.pop(name)
    for other in role.roles:
        other.users.discard(role)
    for other in role.users:
        other.roles.discard(role)


class Evaluator:
    """Evaluates what a resource does not touch, with the very evaluator that Casbin uses."""

    def __init__(self, functions: Mapping[str, Callable[..., object]]) -> None:
        """Take the functions of the matcher, role definitions included."""
        self._simple = SimpleEval("", dict(functions))

    def value(self, node: ast.expr, names: Mapping[str, object]) -> object:
        """Return the value of `node`; it raises what `enforce` would raise."""
        self._simple.names = names
        return self._simple._eval(node)  # noqa: SLF001 - law 1: Casbin's own `eval` does just this


@dataclass(slots=True)
class Oracle:
    """Casbin's `enforce` over a model and rows, at a chosen moment: the meaning of the policy.

    Beside `eval`, Casbin parses the matcher anew for each row; with `parse_once` each text once.
    """

    model: Model
    rows: Sequence[Row]
    matching: Mapping[str, RoleMatching] = field(default_factory=dict)
    suffix: str = ""
    at: datetime = field(kw_only=True)
    parse_once: bool = False
    _enforcer: Any = field(init=False)

    def __post_init__(self) -> None:
        self._enforcer = self._build()

    def _build(self) -> Any:  # noqa: ANN401 - Casbin is untyped
        model = _new_model(self.model.text)
        for key, text in self.model.matchers.items():
            model["m"][key].value = util.remove_comments(util.escape_assertion(text))
        for row in self.rows:
            model[row.kind[0]][row.kind].policy.append(list(row.values))
        model.sort_policies_by_subject_hierarchy()
        model.sort_policies_by_priority()
        enforcer = casbin.Enforcer(model)
        enforcer.build_role_links()
        model.build_conditional_role_links(enforcer.cond_rm_map)
        for name, function in FUNCTIONS.items():
            enforcer.add_function(name, function)
        for kind, by in self.matching.items():
            if by.names:
                enforcer.add_named_matching_func(kind, MATCHING_FUNCTIONS[by.names])
            if by.domains:
                enforcer.add_named_domain_matching_func(kind, MATCHING_FUNCTIONS[by.domains])
        self._limit_in_time(enforcer)
        parse = one_at_a_time(enforcer._get_expression)  # noqa: SLF001
        enforcer._get_expression = remembered(parse) if self.parse_once else parse  # noqa: SLF001
        return enforcer

    def _limit_in_time(self, enforcer: Any) -> None:  # noqa: ANN401 - Casbin is untyped
        for row in self.rows:
            definition = self.model.roles.get(row.kind)
            if definition is None or not definition.timed:
                continue
            *names, _, _ = row.values
            manager = enforcer.cond_rm_map[row.kind]
            if definition.arity == 2:  # noqa: PLR2004
                manager.add_link_condition_func(*names, self._in_window)
            else:
                manager.add_domain_link_condition_func(*names, self._in_window)

    def _in_window(self, start: str, end: str) -> bool:
        return Window.parse(start, end).holds(self.at)

    def enforce(self, *request: object) -> bool:
        """Return Casbin's decision, as `explained` does."""
        return self.explained(*request)[0]

    def explained(self, *request: object) -> tuple[bool, tuple[str, ...]]:
        """Return Casbin's decision and the row that it names; whatever it raises denies."""
        if self.suffix:
            context = self._enforcer.new_enforce_context(self.suffix)
            context.etype = "e"
            request = (context, *request)
        allowed, row = self._enforcer.enforce_ex(*request)
        return bool(allowed), tuple(row)


def one_at_a_time(parse: Parse) -> Parse:
    """Return `parse` for several threads; see `ONE_TREE_AT_A_TIME`."""

    def parsed(text: str, functions: object) -> Any:  # noqa: ANN401 - Casbin is untyped
        with ONE_TREE_AT_A_TIME:  # law 4
            return parse(text, functions)

    return parsed


def remembered(parse: Parse) -> Parse:
    """Return `parse` with a memory by text; the functions are those of the latest call."""
    known: dict[str, Any] = {}

    def parsed(text: str, functions: object) -> Any:  # noqa: ANN401 - Casbin is untyped
        if text not in known:
            known[text] = parse(text, functions)
        known[text].functions = functions
        return known[text]

    return parsed
