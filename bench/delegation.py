"""How long it takes to decide whether an editor may make a change: `python -m bench.delegation`.

100 rules of 25 groups on 8 actions, a tenth of them denials, and an editor who may do everything in
their tenant, so that nothing ends the comparison early.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from acl.actions import Action
from acl.admission.admission import read_csv
from acl.labels import LabelSchema
from acl.policy.delegation import may_change
from acl.policy.policy import Policy, load
from acl.subject import Subject
from bench.compile import FOLDER, NOW, schema

RULES: Final = 100
GROUPS: Final = 25
ACTIONS: Final = tuple(one for one in Action if one is not Action.POLICY_ADMINISTER)[:8]
COMPARTMENTS: Final = frozenset({"finance", "board"})
EDITOR: Final = Subject(id="user:boss", tenant="acme", clearance=3, compartments=COMPARTMENTS)


def rows() -> list[str]:
    """Return the policy in effect, the rules first."""
    found = [
        f"p, group:g{number % GROUPS}, acme, /acme/f{number}/*, {ACTIONS[number % len(ACTIONS)]}, "
        f"r.obj.classification <= {number % 4}, {'deny' if number % 10 == 9 else 'allow'}"
        for number in range(RULES)
    ]
    held = [action for action in Action if action is not Action.POLICY_ADMINISTER]
    found += [f"p, role:admin, acme, /acme/*, {action}, True, allow" for action in held]
    found += [f"g, user:u{number}, role:r{number % 7}, acme, _, _" for number in range(GROUPS)]
    return [*found, "g, user:boss, role:admin, acme, _, _"]


def read(lines: Sequence[str], declared: LabelSchema) -> Policy:
    """Return a policy of the default model."""
    model = (FOLDER / "model.conf").read_text(encoding="utf-8")
    return load(model, read_csv("\n".join(lines)), declared)


def main() -> None:
    """Print how long each kind of change takes."""
    before, declared = rows(), schema()
    changes = {
        "a rule that allows": [
            *before,
            "p, group:g1, acme, /acme/f1/*, document:read, True, allow",
        ],
        "a denial goes": [line for place, line in enumerate(before) if place != 9],
        "six rules go": before[6:],
        "somebody gets a role": [*before, "g, user:u1, role:admin, acme, _, _"],
    }
    table = Table("change", "seconds", "verdict")
    for name, after in changes.items():
        old, new = read(before, declared), read(after, declared)
        begun = time.process_time()
        verdict = may_change(
            old, new, EDITOR, Action.POLICY_EDIT,
            clearances=(0, 1, 2, 3), compartments=COMPARTMENTS, at=NOW,
        )  # fmt: skip
        spent = time.process_time() - begun
        table.add_row(name, f"{spent:.2f}", "permitted" if verdict == () else str(verdict))
    Console().print(table)


if __name__ == "__main__":
    main()
