"""Whose rows a policy holds, and whom a revision concerns.

The laws of this file:

1. A row belongs to the tenant that it names; a row that names none, or any, concerns everybody.
   So does the model, which gives every row its meaning.
2. A line that is no row of a tenant is no business of whoever administers that tenant alone:
   comments can be about others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from acl.errors import PolicyError, Refusal
from acl.labels import LabelSchema
from acl.policy.admission import POLICY_FILE, read_csv
from acl.policy.delegation import tenant_of
from acl.policy.policy import Policy, load
from acl.records import RevisionTexts
from acl.subject import is_tenant
from retrieval.policy.rule_changes import as_line
from retrieval.rights.policy_source import PolicySource


def of_tenant(policy: Policy, tenant: str) -> str:
    """Return the rows of a tenant and those that name none, without comments (law 2)."""
    return "".join(
        f"{as_line(row)}\n" for row in policy.rows if _open_to(tenant_of(policy, row), tenant)
    )


def concerns(
    before: RevisionTexts | None, after: RevisionTexts, tenant: str, schema: LabelSchema
) -> bool:
    """Say whether a change concerns a tenant (law 1); what cannot be read does not.

    Args:
        before: what it replaces, or `None` for the first revision.
        after: what it says.
        tenant: whose rows are asked about.
        schema: of the labels.
    """
    if before is None or before.model != after.model:
        return True
    try:
        rows = read_csv("\n".join(_differing(before.rules, after.rules)))
        policy = load(after.model, rows, schema)
    except PolicyError:
        return False
    return any(_open_to(tenant_of(policy, row), tenant) for row in policy.rows)


def foreign_lines_changed(old: PolicySource, new: PolicySource, tenant: str) -> tuple[Refusal, ...]:
    """Return the first line that is not the tenant's own and did not stay as it is (law 2)."""
    before, after = (list(_foreign(one, tenant)) for one in (old, new))
    if [line for _, line in before] == [line for _, line in after]:
        return ()
    place = next(
        (
            number
            for (number, line), (_, other) in zip(after, before, strict=False)
            if line != other
        ),
        len(new.texts.rules.split("\n")),
    )
    reason = "is not a row of the editor's own tenant, and stays as it is"
    return (Refusal(f"{POLICY_FILE} line {place}", "line", reason),)


def _open_to(named: str | None, tenant: str) -> bool:
    return named is None or named == tenant or not is_tenant(named)


def _differing(before: str, after: str) -> Iterator[str]:
    old, new = Counter(before.split("\n")), Counter(after.split("\n"))
    yield from (old - new)
    yield from (new - old)


def _foreign(source: PolicySource, tenant: str) -> Iterator[tuple[int, str]]:
    policy = source.policy
    mine = {row.number for row in policy.rows if tenant_of(policy, row) == tenant}
    for number, line in enumerate(source.texts.rules.split("\n"), start=1):
        if line.strip() and number not in mine:
            yield number, line
