"""What a compiler must get right, checked within seconds; imported anew beside every mutant.

Each check returns what is wrong, or nothing. Casbin's answers about the random worlds are computed
once, by the sound code, and handed in.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np

from acl.actions import Action
from acl.admission.admission import admit, read_csv
from acl.decision import Denied, Permitted
from acl.engine.filter import to_filter
from acl.engine.payload import point_payload
from acl.errors import AclError, PolicyError
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Oracle, RoleMatching, Row, parse_model
from acl.policy.compiler import compile_request
from acl.policy.decide import decide
from acl.policy.delegation import Overreach, may_change
from acl.policy.policy import Policy, load
from acl.predicate import AnyOf, holds
from acl.subject import Subject
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import Point
from tests.conformance.casbin.engines import Engines, Mode
from tests.properties.agreement import Answers, Score, answers, compare
from tests.properties.worlds import AT, SCHEMA, World, label, resource_columns, world

WORLDS: Final = 110
LABELS: Final = 24
SEED: Final = 4

Known: TypeAlias = Sequence[Answers]


def material() -> tuple[list[Label], list[World]]:
    """Return the labels and worlds of the run; the same in every copy of the code."""
    rng = random.Random(SEED)
    return [label(rng) for _ in range(LABELS)], [world(rng) for _ in range(WORLDS)]


def known() -> Known:
    """Return Casbin's answers about the material."""
    labels, worlds = material()
    return [answers(one, labels) for one in worlds]


def complaint(casbin: Known) -> str | None:
    """Return the first thing that is wrong, or nothing."""
    for check in CHECKS:
        try:
            found = check()
        except Exception as error:  # noqa: BLE001 - a mutant may fail in any way
            return f"{check.__name__}: {type(error).__name__}: {error}"
        if found:
            return f"{check.__name__}: {found}"
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_worlds(casbin, Path(directory)))


async def _worlds(casbin: Known, directory: Path) -> str | None:
    engines = Engines(directory, modes=(Mode.EDGE_BARE,))
    labels, worlds = material()
    score = Score()
    try:
        for one, answered in zip(worlds, casbin, strict=True):
            await compare(one, labels, score, engines, answered)
            if score.wrong:
                return f"a random policy: {score.wrong[0]}"
            if score.refused or score.refused_requests > 2:
                return f"a policy inside the fragment was refused: {one}"
    except Exception as error:  # noqa: BLE001 - a mutant may fail in any way
        return f"a random policy: {type(error).__name__}: {error}"
    finally:
        await engines.close()
    return None


_HEAD: Final = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = {columns}\n"


def model(
    matcher: str,
    *,
    columns: str = "sub, rule, act",
    effect: str = "some(where (p.eft == allow))",
    roles: str = "",
) -> str:
    """Return the text of a `model.conf`."""
    head = _HEAD.format(columns=columns)
    links = f"[role_definition]\n{roles}\n" if roles else ""
    return f"{head}{links}[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"


def policy(matcher: str, *rows: tuple[str, ...], **parts: Any) -> Policy:
    """Return a policy; each row is its kind and its columns."""
    numbered = [Row(number, row[0], row[1:]) for number, row in enumerate(rows, 1)]
    return load(model(matcher, **parts), numbered, SCHEMA)


ROW: Final = ("p", "ada", "True", "read")
REFUSED: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    ('r.obj.owner == "a&&b"', ROW, "Casbin rewrites it even inside a literal"),
    ('r.obj.owner == "a!b"', ROW, "Casbin rewrites it even inside a literal"),
    ('r.obj.owner == "eval(p_rule)"', ROW, "Casbin rewrites it even inside a literal"),
    ("r.obj.open # && r.act == p.act", ROW, "cuts the expression"),
    ("eval( p.rule )", ROW, "is spelt `eval(p.column)`"),
    (
        "eval(p.rule)",
        ("p", "ada", "False) or (True", "read"),
        "closes a bracket that nothing opened",
    ),
    ("eval(p.rule)", ("p", "ada", "eval(p.rule)", "read"), "cannot hold another `eval`"),
    ("r.obj.owner in p.rule", ROW, "would be a substring test"),
    ("r.sub.name in r.obj.owner", ROW, "is not a set: this is a substring"),
    ("regexMatch(r.obj.owner, p.rule)", ROW, "has no form in the filter"),
    ("r.obj.owner == r.obj.tenant", ROW, "compares two attributes"),
    ("r.obj.level <= p.rule", ROW, "raises for every document"),
    ("r.obj.owner < p.rule", ROW, "is not a number or a date"),
    ("r.obj.secret == p.rule", ROW, "is not a declared attribute"),
    ("keyMatch(r.obj.place, p.rule)", ("p", "ada", "/a*", "read"), "does not follow a `/`"),
    ("keyMatch2(r.obj.place, p.rule)", ("p", "ada", "/a.b/:x", "read"), "regular expression"),
)


def refusals() -> str | None:
    """What has no filter form is refused by name."""
    for matcher, row, reason in REFUSED:
        try:
            policy(matcher, row)
        except PolicyError as error:
            if reason not in str(error):
                return f"`{matcher}` was refused for another reason: {error}"
        else:
            return f"`{matcher}` with {row} was accepted"
    try:
        policy("r.obj.open", ROW, effect="!some(where (p.eft == deny))")
    except PolicyError:
        return None
    return "a default-allow effect was accepted"


def misspelt_effect() -> str | None:
    """A misspelt effect is not swallowed."""
    text = model("r.obj.open", columns="sub, act, eft")
    try:
        admit(load(text, read_csv("p, ada, read, dney"), SCHEMA))
    except PolicyError as error:
        return None if "neither `allow` nor `deny`" in str(error) else str(error)
    return "`dney` was admitted"


def empty_table() -> str | None:
    """Without a row, an asker with an empty value is not let in."""
    made = policy("r.sub.name == p.sub && r.act == p.act")
    decision = compile_request(made, {"sub": {"name": ""}, "act": ""}, datetime.now(UTC))
    return None if isinstance(decision, Denied) else "an empty asker was let in"


TENANTED: Final = LabelSchema.from_toml(
    '[label]\ntenant = { type = "keyword" }\nlevel = { type = "integer" }\n'
)


def tenants_and_actors() -> str | None:
    """No rule lifts the tenant; an agent's rights bound those of its user."""
    text = model("r.sub.id == p.sub && r.obj.level <= 5", columns="sub")
    made = load(text, [Row(1, "p", ("user:ada",)), Row(2, "p", ("agent:a",))], TENANTED)
    ada = Subject(id="user:ada", tenant="acme")
    stranger = Subject(id="agent:b", tenant="acme")
    now = datetime.now(UTC)
    decision = decide(made, ada, "read", now)
    if not isinstance(decision, Permitted):
        return "the user's own tenant is closed"
    for tenant, expected in (("acme", True), ("best", False)):
        if holds(decision.predicate, TENANTED.parse({"tenant": tenant, "level": 1})) != expected:
            return f"the tenant {tenant} is open: {not expected}"
    if isinstance(decide(made, replace(ada, actors=(stranger,)), "read", now), Permitted):
        return "an agent without rights is let in"
    return None


def next_boundary() -> str | None:
    """A decision that depends on time says when it must be taken again."""
    window = "2026-01-01 00:00:00", "2027-01-01 00:00:00"
    made = policy(
        "g(r.sub.name, p.sub) && r.obj.open",
        ("p", "boss", "x", "read"),
        ("g", "ada", "boss", *window),
        roles="g = _, _, (_, _)",
    )
    at = datetime(2026, 5, 1, tzinfo=UTC)
    decision = compile_request(made, {"sub": {"name": "ada"}, "act": "read"}, at)
    expected = datetime(2027, 1, 1, tzinfo=UTC)
    return None if decision.not_after == expected else f"not after {decision.not_after}"


def too_large() -> str | None:
    """An asker whose values have no filter form gets an error, not an approximation."""
    made = policy("r.obj.level < r.sub.level", ROW)
    try:
        compile_request(made, {"sub": {"level": float("nan")}, "act": "read"}, datetime.now(UTC))
    except AclError:
        return None
    return "a comparison with nan was compiled"


def unlabelled() -> str | None:
    """A point whose label is incomplete, or of another schema, is never returned."""
    label_ = TENANTED.parse({"tenant": "acme", "level": 1})
    whole = point_payload(label_, TENANTED, document="d", version=1, meta={})
    payloads = [
        whole,
        {**whole, "label": {**whole["label"], "complete": 0}},
        {**whole, "label": {**whole["label"], "schema": "another"}},
    ]
    facts = Collection(schema=TENANTED.digest, dimension=2, indexes={})
    with tempfile.TemporaryDirectory() as directory:
        shard = Shard.attach(Path(directory), facts)
        vector = np.array([1.0, 0.0], dtype=np.float32)
        shard.upsert(
            [Point(str(UUID(int=place)), vector, "x", one) for place, one in enumerate(payloads)]
        )
        where = to_filter(AnyOf("tenant", frozenset({"acme"})), TENANTED)
        found, _ = shard.scroll(where, after=None, limit=9)
        shard.close()
    ids = [UUID(one.id).int for one in found]
    return None if ids == [0] else f"points {ids} were returned"


_FULL: Final = {
    "tenant": "acme", "level": 1, "place": "/a", "tags": [], "open": True, "item": "/a/b",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rare:
    """A policy that random ones seldom resemble, and the labels that tell its faults apart."""

    matcher: str
    rows: tuple[tuple[str, ...], ...]
    labels: tuple[dict[str, Any], ...]
    effect: str = "some(where (p.eft == allow))"
    columns: str = "sub, rule, act"
    roles: str = ""
    matching: Mapping[str, RoleMatching] = field(default_factory=dict)


def _ladder(*window: str) -> tuple[tuple[str, ...], ...]:
    links = (("g", f"n{step}", f"n{step + 1}", *window) for step in range(12))
    rules = (("p", f"n{step}", f"item{step}", "read") for step in range(7, 13))
    return (*rules, *links)


_ITEMS: Final = tuple({"item": f"item{step}"} for step in range(7, 13))

RARE: Final = (
    Rare(
        matcher="g(r.sub.name, p.sub) && r.item == p.rule",
        rows=_ladder(),
        labels=_ITEMS,
        roles="g = _, _",
    ),
    Rare(
        matcher="g(r.sub.name, p.sub) && r.item == p.rule",
        rows=_ladder("_", "_"),
        labels=_ITEMS,
        roles="g = _, _, (_, _)",
    ),
    Rare(
        matcher="eval(p.rule)",
        rows=(
            ("p", "x", "r.obj.level <= 0", "read"),
            ("p", "x", "r.obj.level <= 2", "read"),
            ("p", "x", 'r.item == "a"', "read"),
            ("p", "x", 'r.item == "b"', "read"),
        ),
        labels=tuple({"item": item, "level": level} for item in "abc" for level in range(4)),
    ),
    Rare(
        matcher="eval(p.rule)",
        rows=(
            ("p", "x", 'r.obj.owner == "ada"', "read", "allow"),
            ("p", "x", "r.obj.open", "read", "allow"),
        ),
        labels=({"owner": "ada"}, {"owner": "ben"}, {}, {"open": False}),
        effect="priority(p.eft) || deny",
        columns="sub, rule, act, eft",
    ),
    Rare(
        matcher="r.obj.tenant == r.sub.number",
        rows=(("p", "x", "x", "x"),),
        labels=({"tenant": "3"}, {"tenant": "4"}),
    ),
    Rare(
        matcher='globMatch(r.item, "/a/*")',
        rows=(("p", "x", "x", "x"),),
        labels=({"item": "/a/.h"}, {"item": "/a/h"}, {"item": "/a/"}),
    ),
    Rare(
        matcher='keyMatch2(r.item, "/a/:x") || keyMatch2(r.item, "/b/:x/*")',
        rows=(("p", "x", "x", "x"),),
        labels=tuple(
            {"item": item} for item in ("/a/", "/a/x", "/a/x/y", "/b/x", "/b/x/", "/b/x/y/z", "/b/")
        ),
    ),
    Rare(
        matcher="g2(r.item, p.rule)",
        rows=(("p", "x", "shelf", "read"), ("g2", "/a/:x", "shelf"), ("g2", "/a/b", "desk")),
        labels=({"item": "/a/b"}, {"item": "/a/c"}, {"item": "shelf"}, {"item": "desk"}),
        roles="g = _, _\ng2 = _, _",
        matching={"g2": RoleMatching(names="keyMatch2")},
    ),
    Rare(
        matcher="g2(r.item, p.rule)",
        rows=(
            ("p", "x", "/a*", "read"),
            ("g2", "r2", "/a/b"),
            ("g2", "r1", "*"),
            ("g2", "r2", "*"),
        ),
        labels=({"item": "/a/b"}, {"item": "/a/c"}, {"item": "/a*"}, {"item": "r1"}),
        roles="g = _, _\ng2 = _, _",
        matching={"g2": RoleMatching(names="keyMatch")},
    ),
)


def rare_policies() -> str | None:
    """Policies written for one fault each mean what Casbin says."""
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_rare_policies(Path(directory)))


async def _rare_policies(directory: Path) -> str | None:
    engines = Engines(directory, modes=(Mode.EDGE_BARE,))
    try:
        for rare in RARE:
            if found := await _rare(rare, engines):
                return found
    finally:
        await engines.close()
    return None


async def _rare(rare: Rare, engines: Engines) -> str | None:
    asked = {"sub": {"name": "n0", "number": 3}, "act": "read"}
    text = model(rare.matcher, columns=rare.columns, effect=rare.effect, roles=rare.roles)
    text = text.replace("r = sub, obj, act", "r = sub, obj, item, act")
    rows = [Row(number, row[0], row[1:]) for number, row in enumerate(rare.rows, 1)]
    oracle = Oracle(parse_model(text), rows, rare.matching, at=AT)
    labels = [SCHEMA.parse({**_FULL, **raw}) for raw in rare.labels]
    allowed = {place for place, one in enumerate(labels) if _enforced(oracle, asked, one)}
    decision = compile_request(load(text, rows, SCHEMA, matching=rare.matching), asked, AT)
    if not isinstance(decision, Permitted):
        return f"`{rare.matcher}` is closed" if allowed else None
    evaluated = {place for place, one in enumerate(labels) if holds(decision.predicate, one)}
    (found,) = await engines.returned(Mode.EDGE_BARE, SCHEMA, labels, [decision.predicate])
    if allowed == evaluated == found:
        return None
    return f"`{rare.matcher}`: casbin {allowed}, evaluator {evaluated}, engine {set(found)}"


def _enforced(oracle: Oracle, asked: Mapping[str, Any], one: Label) -> bool:
    columns = resource_columns(one)
    try:
        return oracle.enforce(asked["sub"], columns["obj"], columns["item"], asked["act"])
    except Exception:  # noqa: BLE001 - whatever Casbin raises, nothing may be returned
        return False


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that an editor removes and adds beside some that stay, and a part of the refusal."""

    name: str
    refused: str = ""
    stays: str = ""
    goes: str = ""
    comes: str = ""


_FOLDERS: Final = LabelSchema.from_toml(
    '[label]\ntenant = { type = "keyword" }\nplace = { type = "path" }\n'
    'readers = { type = "keyword_set" }\n'
)
_DELEGATED: Final = model(
    "(g(r.sub.id, p.sub, r.sub.tenant) || p.sub in r.sub.groups) && r.sub.tenant == p.tenant && "
    "r.act == p.act && keyMatch(r.obj.place, p.place) && eval(p.rule)",
    columns="sub, tenant, place, act, rule, eft",
    effect="some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    roles="g = _, _, _, (_, _)",
)
_EDITOR: Final = """p, user:ed, acme, /acme/*, policy:edit, True, allow
p, user:ed, acme, /acme/a/*, read, True, allow
p, role:late, acme, /acme/b/*, read, True, allow
p, user:ed, acme, /open/*, read, True, allow
g, user:ed, role:late, acme, _, 2027-01-01 00:00:00"""
_RULE: Final = "p, group:x, acme, {}, read, {}, {}"
_LINK: Final = "g, user:x, {}, acme, _, {}"
_BARS: Final = _RULE.format("/acme/d/*", "True", "deny")
_ASKS: Final = '"any_of(r.obj.readers, r.sub.groups)"'
_ELSEWHERE: Final = '"!keyMatch(r.obj.place, ""/acme/a/*"")"'
_CHANGES: Final = (
    Change("what the editor holds", comes=_RULE.format("/acme/a/*", "True", "allow")),
    Change("a denial in the region", comes=_BARS),
    Change("a link while it is held", comes=_LINK.format("role:late", "2027-01-01 00:00:00")),
    Change("a link to no rule", comes=_LINK.format("role:w", "_")),
    Change("what is not held", "not hold it", comes=_RULE.format("/acme/d/*", "True", "allow")),
    Change("all but what is held", "not hold", comes=_RULE.format("/acme/*", _ELSEWHERE, "allow")),
    Change("held beyond it", "may not change", comes=_RULE.format("/open/*", "True", "allow")),
    Change("beyond the region", "may not change", comes=_RULE.format("/*", "True", "deny")),
    Change("another tenant", "own tenant", comes=_BARS.replace(" acme,", " globex,")),
    Change("who administers", "says who", comes=_BARS.replace("read", "policy:administer")),
    Change("longer than held", "from 2027", comes=_RULE.format("/acme/b/*", "True", "allow")),
    Change("a link for longer than held", "from 2027", comes=_LINK.format("role:late", "_")),
    Change(
        "a link that leads on", "from 2027", "g, role:v, role:late, acme, _, _",
        comes=_LINK.format("role:v", "_"),
    ),
    Change(
        "a name that is asked for", "leads to line 6", _RULE.format("/acme/d/*", _ASKS, "allow"),
        comes=_LINK.format("role:w", "_"),
    ),
    Change(
        "a link that rules ask of documents", "of documents",
        _RULE.format("/acme/d/*", '"g(r.obj.place, ""role:w"", ""acme"")"', "deny"),
        comes=_LINK.format("role:w", "_"),
    ),
    Change("a denial goes", "not hold it", goes=_BARS),
    Change("a link to a denial goes", "not hold it", _BARS, goes=_LINK.format("group:x", "_")),
    Change("it can fail", "can fail", comes=_RULE.format("/acme/d/*", "r.sub.age == 1", "deny")),
)  # fmt: skip


def delegation() -> str | None:
    """An editor gives what they hold, decides about their region, and does no more."""
    editor, read = Subject(id="user:ed", tenant="acme"), cache(_delegated)
    for change in _CHANGES:
        old, new = (read(f"{change.stays}\n{rows}") for rows in (change.goes, change.comes))
        found = may_change(
            old, new, editor, Action.POLICY_EDIT, clearances=(), compartments=(), at=AT
        )
        told = found.sentence if isinstance(found, Overreach) else " ".join(map(str, found))
        if bool(told) is not bool(change.refused) or change.refused not in told:
            return f"{change.name}: `{told}`"
    return None


def _delegated(rows: str) -> Policy:
    return load(_DELEGATED, read_csv(f"{_EDITOR}\n{rows}"), _FOLDERS)


CHECKS: Final[tuple[Callable[[], str | None], ...]] = (
    refusals,
    misspelt_effect,
    empty_table,
    tenants_and_actors,
    next_boundary,
    too_large,
    unlabelled,
    delegation,
    rare_policies,
)
