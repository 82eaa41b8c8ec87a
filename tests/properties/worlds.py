"""Random policies of the whole fragment, with askers and labels to try them on.

A world is a model, its rows and some askers, drawn from small pools so that rules hit and miss.
Everything comes from one `random.Random`; Hypothesis can stand in for it and shrink.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import RoleMatching, Row

AT: Final = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

SCHEMA: Final = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
level = { type = "integer" }
place = { type = "path" }
tags = { type = "keyword_set" }
open = { type = "boolean" }
item = { type = "path", prefixes = "character" }
owner = { type = "keyword", required = false }
weight = { type = "integer", required = false }
readers = { type = "keyword_set", required = false }
archived = { type = "boolean", required = false }
expires = { type = "datetime", required = false }
folder = { type = "path", required = false, prefixes = "character" }
"""
)

NAMES: Final = ("ada", "ben", "Ada", "ädä", "анна", "team", "boss")
ROLES: Final = ("team", "boss", "anna-团队", "crew", "root")
DOMAINS: Final = ("acme", "best", "ácme")
ACTIONS: Final = ("read", "write")
TAGS: Final = ("x", "y", "z", "X")
PATHS: Final = (
    "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/c", "/b", "/b/c", "/ab", "/a/.h", "/é/b", "a/b",
)  # fmt: skip
MOMENTS: Final = (0, 1_700_000_000, 1_900_000_000)

PATTERNS: Final[Mapping[str, tuple[str, ...]]] = {
    "keyMatch": ("/a/*", "/a/b/*", "/a/b", "*", "/b/*", "/é/*", "/a/b/c"),
    "keyMatch2": ("/a/:x", "/:x/b", "/a/*", "/:x/:y", "/:x/*", "/a/b", "*", "/a/:x/*"),
    "keyMatch3": ("/a/{x}", "/{x}/b", "/a/*", "/{x}/{y}", "/{x}/*", "/a/b", "/a/{x}/*"),
    "keyMatch4": ("/a/{x}", "/{x}/b", "/a/*", "/{x}/{y}", "/{x}/*", "/a/b", "/a/{x}/*"),
    "globMatch": ("/a/*", "/*/b", "/*", "/*/*", "/a/b", "*/b", "/a/*/c"),
}
WITHIN_A_SEGMENT: Final = ("/a*", "/a/b*", "*", "/é*", "/a/.*")

EFFECTS: Final = {
    "allow-override": "some(where (p.eft == allow))",
    "allow-and-deny": "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority": "priority(p.eft) || deny",
    "subject-priority": "subjectPriority(p.eft) || deny",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A policy, who asks, and which operators of the fragment occur in it."""

    model: str
    rows: tuple[Row, ...]
    matching: Mapping[str, RoleMatching]
    requests: tuple[Mapping[str, Any], ...]
    features: frozenset[str]

    def __str__(self) -> str:
        rows = "\n".join(", ".join((row.kind, *row.values)) for row in self.rows)
        return f"{self.model}\n{rows}\n{dict(self.matching)}"


def label(rng: random.Random) -> Label:
    """Return a random label; each optional attribute is missing one time in four."""
    raw: dict[str, object] = {
        "tenant": rng.choice(DOMAINS),
        "level": rng.randint(-1, 3),
        "place": rng.choice(PATHS),
        "tags": rng.sample(TAGS, rng.randint(0, 3)),
        "open": rng.random() < 0.5,
        "item": rng.choice(PATHS),
    }
    optional: dict[str, object] = {
        "owner": rng.choice(NAMES),
        "weight": rng.randint(0, 12),
        "readers": rng.sample((*NAMES, *ROLES[2:]), rng.randint(0, 3)),
        "archived": rng.random() < 0.5,
        "expires": rng.choice(MOMENTS) + rng.randint(-1, 1),
        "folder": rng.choice(PATHS),
    }
    kept = {name: value for name, value in optional.items() if rng.random() < 0.75}
    return SCHEMA.parse({**raw, **kept})


def resource_columns(label: Label) -> dict[str, Any]:
    """Return what Casbin is given for the resource: a record, and one attribute by itself."""
    record = label.as_json()
    return {"item": record.pop("item"), "obj": record}


def world(rng: random.Random, *, whole: bool = False) -> World:
    """Return a random world; of the `whole` fragment, or of what most rules are made of."""
    return _Maker(rng, whole).world()


@dataclass(slots=True)
class _Maker:
    rng: random.Random
    whole: bool
    features: set[str] = field(default_factory=set)
    domain: bool = field(init=False)
    timed: bool = field(init=False)
    patterned: bool = field(init=False)
    chained: bool = field(init=False)
    effect: str = field(init=False)
    function: str = field(init=False)

    def __post_init__(self) -> None:
        self.domain, self.timed = self._once(0.4), self._once(0.25)
        self.patterned = not self.timed and self._once(0.2)
        self.effect = self.rng.choice(list(EFFECTS))
        self.function = self.rng.choice(list(PATTERNS))
        self.chained = self.effect != "subject-priority" and self._once(0.3)

    def _once(self, share: float) -> bool:
        return self.rng.random() < share

    def _seen(self, feature: str, text: str) -> str:
        self.features.add(feature)
        return text

    def world(self) -> World:
        self._seen(self.effect, "")
        matcher = self._matcher()
        rows = [*self._rules(), *self._links()]
        if self.timed:
            self._seen("time window", "")
        matching = {"g2": RoleMatching(names="keyMatch2")} if self.patterned else {}
        if self.patterned:
            self._seen("pattern role", "")
            matching["g"] = RoleMatching(domains="keyMatch" if self.domain else None)
        return World(
            model=self._model(matcher),
            rows=tuple(Row(number, kind, values) for number, (kind, values) in enumerate(rows, 1)),
            matching=matching,
            requests=tuple(self._request() for _ in range(8)),
            features=frozenset(self.features),
        )

    def _model(self, matcher: str) -> str:
        link = "_, _, _" if self.domain else "_, _"
        window = ", (_, _)" if self.timed else ""
        priority = "priority, " if self.effect == "priority" else ""
        return (
            "[request_definition]\nr = sub, dom, obj, item, act\n"
            f"[policy_definition]\np = {priority}sub, lab, pat, rule, act, eft\n"
            f"[role_definition]\ng = {link}{window}\ng2 = _, _{window}\n"
            f"[policy_effect]\ne = {EFFECTS[self.effect]}\n[matchers]\nm = {matcher}\n"
        )

    # The matcher.

    def _matcher(self) -> str:
        parts = [self._expression(self.rng.randint(1, 2))]
        if self._once(0.3):
            parts = [self._eval()]
        if self._once(0.7):
            parts.append(self._role() if self._once(0.8) else "r.sub.name == p.sub")
        if self._once(0.8):
            parts.append(self.rng.choice(["r.act == p.act", "keyMatch(r.act, p.act)"]))
        self.rng.shuffle(parts)
        return " && ".join(f"({part})" if "||" in part else part for part in parts)

    def _role(self) -> str:
        domain = ", r.dom" if self.domain else ""
        return self._seen("g", f"g(r.sub.name, p.sub{domain})")

    def _eval(self) -> str:
        return self._seen("eval", "eval(p.rule)")

    def _expression(self, depth: int, *, rule: bool = False) -> str:
        if depth == 0 or self._once(0.3):
            return self._atom(rule=rule)
        parts = [self._expression(depth - 1, rule=rule) for _ in range(self.rng.randint(2, 3))]
        match self.rng.randrange(3):
            case 0:
                return self._seen("not", f"!({' && '.join(self._nested(parts))})")
            case 1:
                return self._seen("or", " || ".join(parts))
            case _:
                return self._seen("and", " && ".join(self._nested(parts)))

    def _nested(self, parts: Sequence[str]) -> list[str]:
        return [f"({part})" if "||" in part or "&&" in part else part for part in parts]

    def _atom(self, *, rule: bool) -> str:
        atoms: list[Callable[[], str]] = [
            self._equal, self._equal, self._order, self._order, self._chain, self._list,
            self._contains, self._any_of, self._subset_of, self._boolean, self._path, self._path,
            self._resource_role, self._holder, self._known, self._date,
        ]  # fmt: skip
        if self.whole:
            atoms += [self._presence, self._size, self._listed, self._covered, self._truth]
        if self.domain:
            atoms.append(self._role_of_tenant)
        if not rule and self._once(0.3):
            atoms.append(self._eval)
        return self.rng.choice(atoms)()

    def _sign(self, text: str, opposite: str) -> tuple[str, bool]:
        return (text, True) if self._once(0.5) else (opposite, False)

    def _equal(self) -> str:
        sign, _ = self._sign("==", "!=")
        left, right = self.rng.choice(
            [
                ("r.obj.owner", "r.sub.name"), ("r.obj.owner", "p.lab"), ("r.obj.owner", "p.sub"),
                ("r.obj.tenant", "r.dom"), ("r.obj.level", "2"), ("r.obj.weight", "r.sub.level"),
                ("r.item", "r.sub.home"), ("r.obj.open", "True"), ("r.obj.archived", "r.sub.staff"),
                ("r.obj.tenant", "3"), ("r.obj.level", "1.0"), ("r.obj.level", "True"),
            ]
        )  # fmt: skip
        if self._once(0.3):
            left, right = right, left
        return self._seen(sign, f"{left} {sign} {right}")

    def _order(self) -> str:
        sign = self.rng.choice(["<", "<=", ">", ">="])
        left = self.rng.choice(["r.obj.level", "r.obj.weight"])
        right = self.rng.choice(["r.sub.level", "r.sub.level", "1", "2", "1.5", "0 - 1"])
        if self._once(0.3):
            left, right = right, left
        return self._seen(sign, f"{left} {sign} {right}")

    def _date(self) -> str:
        return self._seen("date", f"r.obj.expires > {self.rng.choice(MOMENTS)}")

    def _chain(self) -> str:
        return self._seen("chain", f"0 <= r.obj.weight < {self.rng.choice(['9', 'r.sub.level'])}")

    def _list(self) -> str:
        sign, _ = self._sign("in", "not in")
        values = self.rng.choice(['["ada", r.sub.name]', '("boss", "ädä", 3)', "r.sub.groups"])
        return self._seen(sign, f"r.obj.owner {sign} {values}")

    def _presence(self) -> str:
        name = self.rng.choice(["owner", "weight", "readers", "expires", "folder"])
        function = self.rng.choice(["present", "absent"])
        return self._seen(function, f"{self._bang()}{function}(r.obj.{name})")

    def _size(self) -> str:
        sign = self.rng.choice(["==", "!=", "<", "<=", ">", ">="])
        counted = f"size(r.obj.{self.rng.choice(['tags', 'readers'])})"
        number = str(self.rng.randint(0, 3)) if self._once(0.7) else "r.sub.level"
        left, right = (number, counted) if self._once(0.3) else (counted, number)
        return self._seen("size", f"{left} {sign} {right}")

    def _listed(self) -> str:
        sign, _ = self._sign("in", "not in")
        values = self.rng.choice(['(r.obj.owner, "boss")', "[r.obj.tenant, r.obj.owner, p.lab]"])
        return self._seen("in a list of the label", f"r.sub.name {sign} {values}")

    def _covered(self) -> str:
        pair = self.rng.choice(['["x"], r.obj.tags', "r.sub.cleared, r.obj.tags"])
        return self._seen("covered", f"{self._bang()}subset_of({pair})")

    def _truth(self) -> str:
        atom = self.rng.choice([self._order, self._contains, self._boolean, self._presence])()
        sign = self.rng.choice(["== False", "!= True", "== True"])
        return self._seen("truth", f"({atom}) {sign}")

    def _contains(self) -> str:
        value = self.rng.choice(['"x"', "r.sub.name", "p.lab"])
        attribute = self.rng.choice(["r.obj.tags", "r.obj.readers"])
        return self._seen("contains", f"{value} in {attribute}")

    def _any_of(self) -> str:
        one, other = self.rng.choice(
            [("r.obj.readers", "r.sub.groups"), ("r.obj.tags", '["x", "y"]'), ("r.obj.tags", "[]")]
        )
        pair = f"{one}, {other}" if self._once(0.7) else f"{other}, {one}"
        return self._seen("any_of", f"{self._bang()}any_of({pair})")

    def _subset_of(self) -> str:
        pair = self.rng.choice(
            ["r.obj.readers, r.sub.groups", 'r.obj.tags, ["x", "y"]', "r.obj.tags, r.sub.cleared"]
        )
        return self._seen("subset_of", f"{self._bang()}subset_of({pair})")

    def _bang(self) -> str:
        return "!" if self._once(0.3) else ""

    def _boolean(self) -> str:
        attribute = self.rng.choice(["r.obj.open", "r.obj.archived"])
        return self._seen("boolean", f"{self._bang()}{attribute}")

    def _path(self) -> str:
        if self._once(0.3):
            pattern = self.rng.choice([*(f'"{one}"' for one in WITHIN_A_SEGMENT), "r.sub.home"])
            return self._seen("keyMatch", f"keyMatch({self._characters()}, {pattern})")
        attribute = self.rng.choice([self._characters(), "r.obj.place"])
        text = f"{self._bang()}{self.function}({attribute}, p.pat)"
        return self._seen(self.function, text)

    def _characters(self) -> str:
        return self.rng.choice(["r.item", "r.obj.folder"])

    def _resource_role(self) -> str:
        name = "r.item" if self.patterned else self.rng.choice(["r.item", "r.obj.owner"])
        return self._seen("g2", f"{self._bang()}g2({name}, p.lab)")

    def _holder(self) -> str:
        if self.patterned:
            return self._known()
        return self._seen("g2 holder", "g2(r.sub.name, r.obj.owner)")

    def _role_of_tenant(self) -> str:
        if self.patterned:
            return self._known()
        return self._seen("g of tenant", "g(r.sub.name, p.sub, r.obj.tenant)")

    def _known(self) -> str:
        return self.rng.choice(
            ["r.sub.staff", "r.sub.level > 1", "p.lab != r.sub.name", '"x" in r.sub.cleared']
        )

    # The rows.

    def _rules(self) -> list[tuple[str, tuple[str, ...]]]:
        rows: list[tuple[str, tuple[str, ...]]] = []
        far = [f"hop{number}" for number in range(8, 12)] if self.chained else []
        for number in range(self.rng.randint(2, 9)):
            denies = self.effect != "allow-override" and self._once(0.35)
            effect = self.rng.choice(["allow"] * 19 + ["dney"]) if not denies else "deny"
            values = (
                self.rng.choice([*NAMES[:4], *ROLES, *far]),
                self.rng.choice([*NAMES[:4], *ROLES]),
                self.rng.choice(PATTERNS[self.function]),
                self._expression(self.rng.randint(0, 2), rule=True) if self._uses_rules else "True",
                self.rng.choice([*ACTIONS, "read"]),
                effect,
            )
            first = (str(self.rng.randint(0, 30)),) if self.effect == "priority" else ()
            rows.append(("p", (*first, *values)))
            if effect == "dney":
                self._seen("unknown effect", str(number))
        return rows

    @property
    def _uses_rules(self) -> bool:
        return "eval" in self.features

    def _links(self) -> list[tuple[str, tuple[str, ...]]]:
        links = {("g", self._link(), self._of_domain()) for _ in range(self.rng.randint(3, 9))}
        if self.chained:
            links |= {("g", pair, domain) for pair, domain in self._long_chain()}
        links |= {("g2", pair, ()) for pair in self._resource_links()}
        return [
            (kind, (*pair, *domain, *self._window()))
            for kind, pair, domain in sorted(links)
            if pair[0] != pair[1]
        ]

    def _link(self) -> tuple[str, str]:
        names = tuple(dict.fromkeys((*NAMES[:5], *ROLES)))
        one, other = self.rng.sample(range(len(names)), 2)
        if self.effect == "subject-priority":
            one, other = sorted((one, other))
        return names[one], names[other]

    def _long_chain(self) -> list[tuple[tuple[str, str], tuple[str, ...]]]:
        """Return a chain longer than the number of hops that Casbin follows."""
        self._seen("long chain", "")
        length, domain = 12, self._of_domain()
        steps = ["ada", *(f"hop{number}" for number in range(1, length)), "crew"]
        return [(pair, domain) for pair in pairwise(steps)]

    def _of_domain(self) -> tuple[str, ...]:
        return (self.rng.choice(DOMAINS),) if self.domain else ()

    def _window(self) -> tuple[str, ...]:
        if not self.timed:
            return ()
        past, future = "2020-01-01 00:00:00", "2030-01-01 00:00:00"
        return self.rng.choice(
            [("_", "_"), (past, future), (past, "_"), ("_", future), ("_", past), (future, "_")]
        )

    def _resource_links(self) -> list[tuple[str, str]]:
        if self.patterned:
            names: tuple[str, ...] = (*PATTERNS["keyMatch2"][:5], "/a/b", "shelf")
        else:
            names = (*PATHS[:8], "shelf", *NAMES[:3])
        return [
            (self.rng.choice(names), self.rng.choice([*NAMES[:4], *ROLES, "shelf"]))
            for _ in range(self.rng.randint(2, 8))
        ]

    # Who asks.

    def _request(self) -> Mapping[str, Any]:
        subject = {
            "name": self.rng.choice(NAMES),
            "level": self.rng.choice([0, 1, 2, 3, 2.5, 9]),
            "staff": self._once(0.5),
            "groups": self.rng.sample([*NAMES, *ROLES], self.rng.randint(0, 4)),
            "cleared": self.rng.sample(TAGS, self.rng.randint(0, 4)),
            "home": self.rng.choice(["/a/*", "/a/b", "/a*", "*"]),
        }
        if self._once(0.05):
            subject["level"] = "2"
        if self._once(0.05):
            del subject[self.rng.choice(["level", "staff", "groups", "cleared"])]
        action = self.rng.choice(["read", "read", "write", "list"])
        return {"sub": subject, "dom": self.rng.choice(DOMAINS), "act": action}
