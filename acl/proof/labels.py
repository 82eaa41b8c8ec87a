"""What a proof compares: roles and labels, and where labels come from beside the documents.

The laws of this file:

1. A choice depends on numbers alone, so that every process chooses the same.
2. Values come from the texts and numbers of the policies and from the subjects that stand for their
   roles, never from what the compiler made of them: a condition that the compiler lost would take
   its labels along.
3. A neighbour is a complete label of the schema, and differs from its origin in one attribute. The
   same label and boundaries give the same neighbours; how many is bounded by the caller, and where
   the choice begins is too, so that many labels together cover what one cannot.
4. Each row has seeds: pairs of a role that it names and a label that meets its path, and of labels
   just beside it, at each level, open to nobody, to everybody and to those whom it names. Seeds are
   some of each row rather than all of a few.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product, zip_longest
from math import gcd
from typing import Any, Final, TypeAlias, assert_never

from acl.actions import Action
from acl.decision import TENANT
from acl.errors import LabelError
from acl.labels import Attribute, AttributeType, Label, LabelSchema, LabelValue
from acl.language.casbin_adapter import Row
from acl.policy.decide import ACTION_COLUMNS, TENANT_COLUMNS
from acl.policy.names import Mentions, is_named, mentions_of
from acl.policy.policy import Policy
from acl.subject import EVERYONE, Subject, is_tenant

CLASSIFICATION: Final = "classification"
COMPARTMENTS: Final = "compartments"
_GOLDEN: Final = 0.6180339887

NOBODY: Final = "user:nobody-is-called-this"
_OTHER: Final = "other"
_VARIABLE: Final = re.compile(r":[^/]+|\{[^/]*\}")

Value: TypeAlias = LabelValue | None
LabelKey: TypeAlias = frozenset[tuple[str, LabelValue]]

EMPTY_TENANTS: Final = 20
"""How many tenants that rows name are looked at where no document is; of more, some."""

_NAMES: Final = 4
_PATTERNS: Final = 4
_FEWEST: Final = 4
_UNNAMED: Final = "unnamed"
_NO_PATH: Final = "/other"
_NEUTRAL: Final[Mapping[AttributeType, object]] = {
    AttributeType.KEYWORD: NOBODY,
    AttributeType.KEYWORD_SET: (),
    AttributeType.INTEGER: 0,
    AttributeType.DATETIME: 0,
    AttributeType.BOOLEAN: False,
    AttributeType.PATH: _NO_PATH,
}


@dataclass(frozen=True, slots=True)
class Role:
    """A profile and an action: what one filter is compiled for."""

    profile: Subject
    action: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A role and a label on which the two roads are compared."""

    role: Role
    label: Label


def coprime(every: int) -> int:
    """Return a step that visits each of `every` places once and spreads the first of them."""
    step = max(1, round(every * _GOLDEN))
    while gcd(step, every) > 1:
        step += 1
    return step


def spread(every: int, limit: int) -> Iterator[int]:
    """Yield up to `limit` of `every` places, each once, the first of them spread evenly."""
    step = coprime(every)
    return (index * step % every for index in range(min(every, limit)))


@dataclass(frozen=True, slots=True)
class Boundaries:
    """What the values of each attribute are compared with, in a fixed order.

    Attributes:
        schema: declares the attributes.
        values: per attribute, values on either side of each boundary; of a set, its elements.
    """

    schema: LabelSchema
    values: Mapping[str, tuple[str | int, ...]]

    @classmethod
    def of(cls, policies: Sequence[Policy], subjects: Iterable[Subject]) -> Boundaries:
        """Collect what `policies` mention and what `subjects` have; there is one policy or more."""
        schema, known = policies[0].schema, [mentions_of(policy) for policy in policies]
        asking = tuple(subjects)
        words = {text for one in known for text in one.texts} | _words(asking)
        numbers = {number for one in known for number in one.numbers}
        numbers |= {one.clearance for one in asking}
        tenants = tuple(sorted({one.tenant for one in asking}))
        values = {
            name: tenants if name == TENANT else _across(attribute, words, numbers)
            for name, attribute in schema.attributes.items()
        }
        return cls(schema, values)


def key(label: Label) -> LabelKey:
    """Return what two labels share if and only if they are equal."""
    return frozenset(label.values.items())


def neighbours(
    label: Label, boundaries: Boundaries, *, limit: int, start: int = 0
) -> tuple[Label, ...]:
    """Return up to `limit` neighbours, each once.

    Args:
        label: the origin.
        boundaries: what to cross.
        limit: how many at most.
        start: where in the list of all changes to begin; it goes on at the front.
    """
    changes = [
        (name, value)
        for name, attribute in boundaries.schema.attributes.items()
        for value in _changes(attribute, label.values.get(name), boundaries.values[name])
    ]
    found: dict[LabelKey, Label] = {key(label): label}
    for step in range(len(changes)):
        if len(found) > limit:
            break
        name, value = changes[(start + step) % len(changes)]
        changed = _changed(label, boundaries.schema, name, value)
        if changed is not None:
            found.setdefault(key(changed), changed)
    return tuple(found.values())[1:]


def _changed(label: Label, schema: LabelSchema, name: str, value: Value) -> Label | None:
    try:
        return schema.parse({**label.values, name: value})
    except LabelError:
        return None


def _changes(
    attribute: Attribute, mine: LabelValue | None, values: Sequence[str | int]
) -> Iterator[Value]:
    """Yield the values to try instead of `mine`; nothing stands for a missing attribute."""
    if mine is not None and not attribute.required:
        yield None
    match attribute.type:
        case AttributeType.KEYWORD_SET:
            yield from _sets(mine if isinstance(mine, frozenset) else frozenset(), values)
        case AttributeType.INTEGER | AttributeType.DATETIME:
            yield from _numbers({mine} if isinstance(mine, int) else set())
            yield from values
        case AttributeType.PATH:
            yield from _around(mine) if isinstance(mine, str) else ()
            yield from values
        case AttributeType.KEYWORD:
            yield from values
        case AttributeType.BOOLEAN:
            yield from (value for value in (True, False) if value is not mine)
        case _:
            assert_never(attribute.type)


def _sets(mine: frozenset[str], values: Sequence[str | int]) -> Iterator[LabelValue]:
    """Yield the set with one element fewer, with one more, and empty."""
    yield frozenset()
    for one in sorted(mine):
        yield mine - {one}
    for value in values:
        if isinstance(value, str) and value not in mine:
            yield mine | {value}


def _words(subjects: Iterable[Subject]) -> set[str]:
    found = {EVERYONE, NOBODY}
    for one in subjects:
        found |= {one.id, *one.groups, *one.compartments}
    return found


def _across(attribute: Attribute, words: set[str], numbers: set[int]) -> tuple[str | int, ...]:
    match attribute.type:
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return tuple(_numbers(numbers))
        case AttributeType.PATH:
            paths = {path for word in sorted(words) if "/" in word for path in _paths(word)}
            return tuple(sorted(paths))
        case AttributeType.KEYWORD | AttributeType.KEYWORD_SET:
            return tuple(sorted(words))
        case AttributeType.BOOLEAN:
            return ()
        case _:
            assert_never(attribute.type)


def _numbers(numbers: Iterable[int]) -> list[int]:
    return sorted({number + step for number in numbers for step in (-1, 0, 1)})


def _paths(pattern: str) -> Iterator[str]:
    """Yield paths that a pattern matches, and paths that it just fails to match."""
    spelt = _VARIABLE.sub(_OTHER, pattern)
    yield spelt.replace("*", _OTHER)
    yield from _around(spelt.partition("*")[0])


def inside_and_beside(pattern: str) -> Iterator[str]:
    """Yield a path that a pattern matches and one that it just fails to match; else nothing."""
    if "/" in pattern:
        spelt = _VARIABLE.sub(_OTHER, pattern)
        yield spelt.replace("*", _OTHER)
        yield f"{spelt.partition('*')[0].rstrip('/')}{_OTHER}"


def _around(path: str) -> Iterator[str]:
    """Yield the path without its last slash, its child, its namesake, its parent and a sibling."""
    bare = path.rstrip("/")
    parent = bare.rpartition("/")[0]
    yield from (bare, f"{bare}/{_OTHER}", f"{bare}{_OTHER}", parent, f"{parent}/{_OTHER}")


def tenants_named(policies: Iterable[Policy]) -> tuple[str, ...]:
    """Return tenants that rows name, and behind them one that no row names."""
    named = {
        text
        for policy in policies
        for row in policy.rules
        for column, text in _columns(policy, row)
        if column in TENANT_COLUMNS and is_tenant(text)
    }
    unnamed, number = _UNNAMED, 1
    while unnamed in named:
        number += 1
        unnamed = f"{_UNNAMED}-{number}"
    known = sorted(named)
    return (*(known[one] for one in spread(len(known), EMPTY_TENANTS)), unnamed)


class Specimens:
    """What the policies' texts call for, in the tenants that are looked at."""

    def __init__(
        self,
        policies: Sequence[Policy],
        subjects: Iterable[Subject],
        actions: Sequence[str],
        *,
        compartments: frozenset[str],
    ) -> None:
        """Prepare to make labels for `policies`, and pairs with `subjects` and `actions`."""
        schema, needed = policies[-1].schema, tuple(sorted(compartments)) or ("some-compartment",)
        self._policies = [(one, mentions_of(one)) for one in policies]
        self._texts = sorted({text for _, one in self._policies for text in one.texts})
        self._names = frozenset(filter(is_named, self._texts))
        self._actions = actions
        self._places = [_Place(schema, tenant, needed) for tenant in tenants_named(policies)]
        self._called: dict[tuple[str, frozenset[str]], list[Subject]] = defaultdict(list)
        for one in subjects:
            self._called[one.tenant, one.groups | ({one.id} & self._names)].append(one)

    def seeds(self, limit: int) -> tuple[Pair, ...]:
        """Return up to `limit` seeds (law 4)."""
        once = {
            (row.kind, row.values): (*one, row, texts)
            for one in self._policies
            for row, texts in one[1].rules
        }
        rows = once.values()
        share = max(_FEWEST, 2 * limit // len(rows)) if rows else 0
        by_row = [list(self._of_row(*one, share)) for one in rows]
        in_turn = (one for one in chain.from_iterable(zip_longest(*by_row)) if one is not None)
        return tuple({(one.role, key(one.label)): one for one in in_turn}.values())[:limit]

    def labels(self, limit: int) -> tuple[Label, ...]:
        """Return up to `limit` labels: of every path, level and name with every other."""
        opened = [one for name in (EVERYONE, *sorted(self._names)) for one in self._open_to(name)]
        paths = [path for text in self._texts for path in inside_and_beside(text)]
        every = dict.fromkeys(paths or [_NO_PATH])
        found = {}
        for place in self._places:
            parts = (list(every), place.levels, [{}, *opened], [{}, place.need])
            for path, level, more, need in _some(parts, limit // len(self._places)):
                label = place.label(path, level, {**more, **need})
                if label is not None:
                    found[key(label)] = label
        return tuple(found.values())

    def _of_row(
        self, policy: Policy, mentions: Mentions, row: Row, texts: frozenset[str], limit: int
    ) -> Iterator[Pair]:
        actions = self._actions_of(policy, row)
        applies = [one for one in self._places if mentions.applies(row, one.tenant)]
        for place in dict.fromkeys((*applies[:1], *applies[-1:])):
            subjects = self._named_by(place.tenant, texts)
            recipes = list(self._recipes(place, texts, subjects))
            for (path, level, more), subject, action in _some([recipes, subjects, actions], limit):
                label = place.label(path, level, more)
                if label is not None:
                    yield Pair(Role(subject, action), label)

    def _recipes(
        self, place: _Place, texts: frozenset[str], subjects: Sequence[Subject]
    ) -> Iterator[tuple[str, int, Mapping[str, object]]]:
        around = [list(inside_and_beside(text)) for text in sorted(texts)]
        patterns = [one for one in around if one][:_PATTERNS] or [[_NO_PATH]]
        paths, inside = list(chain.from_iterable(patterns)), [one[0] for one in patterns]
        everybody = [{}, *self._open_to(EVERYONE)]
        names = sorted({*filter(is_named, texts), *(one.id for one in subjects[:1])})[:_NAMES]
        bounds = (place.levels[0], place.levels[-1])
        yield from product(paths, place.levels, everybody)
        yield from product(inside, bounds, [one for name in names for one in self._open_to(name)])
        yield from product(inside, bounds, [{**one, **place.need} for one in everybody])

    def _named_by(self, tenant: str, texts: frozenset[str]) -> list[Subject]:
        """Return who stands for whom a row names, together and alone, or for anybody."""
        names = frozenset(filter(is_named, texts))
        called = (names, *(frozenset({one}) for one in sorted(names)))
        return [one for each in dict.fromkeys(called) for one in self._called[tenant, each]]

    def _actions_of(self, policy: Policy, row: Row) -> list[str]:
        texts = {text for column, text in _columns(policy, row) if column in ACTION_COLUMNS}
        plain = texts & set(self._actions)
        return sorted(plain if plain and plain <= set(Action) else {*plain, Action.DOCUMENT_READ})

    def _open_to(self, name: str) -> Iterator[dict[str, object]]:
        """Yield what makes `name` an owner, and a reader: each attribute that can hold names."""
        for one, attribute in self._places[-1].schema.attributes.items():
            if one not in {TENANT, COMPARTMENTS}:
                if attribute.type is AttributeType.KEYWORD_SET:
                    yield {one: (name,)}
                elif attribute.type is AttributeType.KEYWORD:
                    yield {one: name}


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A tenant, and what every label in it is made of."""

    schema: LabelSchema
    tenant: str
    needed: tuple[str, ...]

    @property
    def need(self) -> dict[str, object]:
        """What asks for every compartment."""
        return {COMPARTMENTS: self.needed}

    @property
    def levels(self) -> Sequence[int]:
        """Every classification."""
        attribute = self.schema.attributes.get(CLASSIFICATION)
        return range(len(attribute.levels)) if attribute and attribute.levels else (0,)

    def label(self, path: str, level: int, more: Mapping[str, object]) -> Label | None:
        """Return the label that is neutral but for what is given, if there is such a label."""
        known = self.schema.attributes
        raw = {
            name: path if one.type is AttributeType.PATH else _NEUTRAL[one.type]
            for name, one in known.items()
            if one.required or one.type is AttributeType.PATH
        }
        given = {TENANT: self.tenant, CLASSIFICATION: level, **more}
        try:
            return self.schema.parse({**raw, **{one: given[one] for one in given if one in known}})
        except LabelError:
            return None


def _columns(policy: Policy, row: Row) -> Iterator[tuple[str, str]]:
    for name, text in policy.named(row).items():
        yield name.partition("_")[2], text


def _some(parts: Sequence[Sequence[Any]], limit: int) -> Iterator[list[Any]]:
    """Yield up to `limit` ways to choose one of each part, spread evenly."""
    total = 1
    for part in parts:
        total *= len(part)
    for index in spread(total, limit):
        chosen, left = [], index
        for part in parts:
            left, place = divmod(left, len(part))
            chosen.append(part[place])
        yield chosen
