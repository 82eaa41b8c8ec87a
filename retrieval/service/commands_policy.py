"""`strongroom policy …`: reading a policy strictly, before anybody relies on it."""

from __future__ import annotations

from pathlib import Path

from acl.errors import PolicyError, SchemaError
from retrieval.service.console import err, out, safe, table
from retrieval.snapshot import read_policy


def check(folder: Path) -> int:
    """Print whether the policy in `folder` can take effect, or every refusal."""
    try:
        policy = read_policy(folder)
    except SchemaError as error:
        err.print(safe(f"refused: {error}", "bold red"))
        return 1
    except PolicyError as error:
        rows = [(one.where, one.column, one.operator, one.reason) for one in error.refusals]
        err.print(table("", ("where", "column", "operator", "reason"), rows))
        err.print(safe(f"refused: {len(rows)} place(s); nothing of it takes effect", "bold red"))
        return 1
    out.print(safe(f"ok: {len(policy.rules)} rules, digest {policy.digest[:16]}", "green"))
    return 0
