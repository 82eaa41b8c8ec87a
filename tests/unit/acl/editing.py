"""Changes that a tenant's editor proposes, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from acl.actions import Action
from acl.labels import LabelSchema
from acl.policy.admission import read_csv
from acl.policy.delegation import STEPS, Overreach, Verdict, may_change
from acl.policy.policy import Policy, load
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, SCHEMA

COMPARTMENTS: Final = frozenset({"board"})
EDITOR: Final = Subject(id="user:editor", tenant="acme", clearance=3, compartments=COMPARTMENTS)
BASE: Final = (
    "p, user:admin, *, /*, policy:administer, True, allow",
    "p, user:editor, acme, /acme/*, policy:edit, True, allow",
    "p, user:editor, acme, /acme/*, policy:activate, r.obj.classification <= 1, allow",
    "p, user:editor, acme, /acme/finance/*, document:read, True, allow",
    "p, user:editor, acme, /acme/legal/*, document:read, True, allow",
    "p, group:legal, acme, /acme/legal/*, document:read, True, allow",
    "p, role:auditor, acme, /acme/hr/*, document:read, True, allow",
    "p, group:staff, globex, /globex/*, document:read, True, allow",
    "p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow",
    "g, user:sam, role:auditor, globex, _, _",
)


def policy(*lines: str, model: str = MODEL, schema: LabelSchema = SCHEMA) -> Policy:
    return load(model, read_csv("\n".join(lines)), schema)


def asked(
    old: Policy,
    new: Policy,
    editor: Subject = EDITOR,
    *,
    activate: bool = False,
    steps: int = STEPS,
) -> Verdict:
    right = Action.POLICY_ACTIVATE if activate else Action.POLICY_EDIT
    return may_change(
        old, new, editor, right,
        clearances=(0, 1, 2, 3), compartments=COMPARTMENTS, at=NOW, steps=steps,
    )  # fmt: skip


def adding(
    *lines: str,
    base: Sequence[str] = BASE,
    editor: Subject = EDITOR,
    activate: bool = False,
    steps: int = STEPS,
) -> Verdict:
    old, new = policy(*base), policy(*base, *lines)
    return asked(old, new, editor, activate=activate, steps=steps)


def without(line: str, base: Sequence[str] = BASE, editor: Subject = EDITOR) -> Verdict:
    assert line in base
    return asked(policy(*base), policy(*(one for one in base if one != line)), editor)


def overreach(verdict: Verdict) -> Overreach:
    assert isinstance(verdict, Overreach), verdict
    return verdict


def refused(verdict: Verdict) -> str:
    assert not isinstance(verdict, Overreach), verdict
    return "\n".join(map(str, verdict))


GIVES: Final = "p, group:x, acme, /acme/finance/q/*, document:read, True, allow"


NOWHERE: Final = (
    "r.obj.classification < 0",
    '"r.obj.tenant == ""zz"""',
    "r.obj.classification > 1 && r.obj.classification < 1",
)


NO_OWNERS: Final = (*BASE[:8], *BASE[9:])
BARRED: Final = "p, role:barred, acme, /acme/hr/*, document:read, True, deny"


RANKED: Final = MODEL.replace("p = sub,", "p = priority, sub,").replace(
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "priority(p.eft) || deny"
)


HR: Final = "p, {}, acme, /acme/hr/*, document:read, {}, {}"
OWNED: Final = "r.obj.owner in r.sub.groups"
SHARED: Final = '"any_of(r.obj.readers, r.sub.groups)"'


EDIT_LEGAL: Final = "p, user:editor, acme, /acme/legal/*, policy:edit, True, allow"


ALLOWING: Final = MODEL.replace(" && !some(where (p.eft == deny))", "")


PLAIN: Final = MODEL.replace("g = _, _, _, (_, _)", "g = _, _, _")
