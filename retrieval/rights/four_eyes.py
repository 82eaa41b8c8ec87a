"""Four eyes: whoever lets something take effect is nobody of those who asked for it.

The laws of this file:

1. A request is made by its subject and by each who acts for them (RFC 8693 `act`). All of them
   stand behind it: each is known by tenant and name, because a name means nothing without.
2. Whoever approves shares nobody with those who asked. A name that was kept without a tenant is
   of every tenant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from retrieval.rights.authority import OPERATOR_NAME, Authority

_SEPARATOR: Final = "/"


def parties_of(authority: Authority) -> tuple[str, ...]:
    """Return everybody who stands behind a request, the subject first."""
    if authority.pinned is None:
        return (_SEPARATOR + OPERATOR_NAME,)
    subject = authority.pinned.subject
    everybody = (subject, *subject.actors)
    return tuple(dict.fromkeys(one.tenant + _SEPARATOR + one.id for one in everybody))


def share_nobody(asked: Iterable[str], authority: Authority) -> bool:
    """Say whether none of those who `asked` stands behind the request of `authority`."""
    mine = parties_of(authority)
    names = {one.rpartition(_SEPARATOR)[2] for one in mine}
    return not any(one in mine or one in names for one in asked)
