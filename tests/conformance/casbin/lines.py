"""A policy file, split as Casbin's own adapter splits it, to replay what Casbin decides on."""

from __future__ import annotations

import casbin
from casbin.persist.adapter import load_policy_line

from acl.language.casbin_adapter import CasbinError, Model, Row


def read_lines(text: str, model: Model) -> tuple[Row, ...]:
    """Split a policy file exactly as Casbin's file adapter does: no quotes, brackets nest.

    Rows of kinds that the model does not define vanish, as they do in Casbin.

    Raises:
        CasbinError: brackets that do not balance.
    """
    rows: list[Row] = []
    holder = casbin.Enforcer.new_model(text=model.text)
    # Only a line break ends a row: `splitlines` would also cut at invisible separators.
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            load_policy_line(line.strip(), holder)
        except IndexError as error:
            raise CasbinError(f"line {number} closes a bracket that it did not open") from error
        for section in ("p", "g"):
            for kind, one in (holder[section] or {}).items():
                rows.extend(Row(number, kind, tuple(values)) for values in one.policy)
                one.policy.clear()
    return tuple(rows)
