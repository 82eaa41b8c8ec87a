"""A small company's rules under the model that comes with the project; they change for no test."""

from __future__ import annotations

from typing import Final

from acl.policy.policy import Policy
from tests.unit.acl import default_policy
from tests.unit.acl.default_policy import MODEL

ROWS: Final = """\
p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow
p, group:everyone, *, /*, document:read, "any_of(r.obj.readers, r.sub.principals)", allow
p, group:finance, acme, /acme/finance/*, document:read, True, allow
p, group:engineering, acme, /acme/engineering/*, document:read, True, allow
p, group:legal, acme, /acme/legal/*, document:read, True, allow
p, group:legal, acme, /acme/board/*, document:read, True, allow
p, role:auditor, acme, /acme/finance/*, document:read, r.obj.classification <= 2, allow
p, role:contractor, acme, /acme/engineering/*, document:read, r.obj.classification >= 2, deny
p, group:everyone, *, /*, document:tag, r.obj.owner == r.sub.id, allow
g, user:eve, role:contractor, acme, _, _
g, user:sam, role:auditor, acme, 2026-01-01 00:00:00, 2026-03-31 23:59:59
"""


def policy(rows: str = ROWS, model: str = MODEL) -> Policy:
    """Return a policy as it would take effect."""
    return default_policy.policy(rows, model)
