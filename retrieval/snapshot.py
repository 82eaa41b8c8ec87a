"""One policy for the length of one request.

The laws of this file:

1. A snapshot is frozen: policy, schema, revision and digest belong together and never change.
2. A request pins one snapshot and asks it for everything. Activating a policy swaps one
   reference; requests under way finish under the policy that they began with.
3. A policy is read strictly, admitted and recorded before it can be pinned. What fails any of
   these leaves the policy in effect as it is.
4. The label schema is a property of the stored points: a policy of another one is refused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from acl.admission import POLICY_FILE, admit, read_csv
from acl.errors import PolicyError, Refusal, SchemaError
from acl.guards import guard
from acl.labels import LabelSchema
from acl.policy import MODEL_FILE, Policy, load
from acl.records import AuditEvent, AuditKind, Records

LABELS_FILE: Final = "labels.toml"
MAX_FILE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class PolicySnapshot:
    """A policy that is in effect, under its revision number."""

    policy: Policy
    schema: LabelSchema
    revision: int

    @property
    def digest(self) -> str:
        """Which policy this is, whatever its number."""
        return self.policy.digest


class SnapshotHolder:
    """The snapshot in effect."""

    def __init__(self, snapshot: PolicySnapshot) -> None:
        self._current = snapshot

    def pin(self) -> PolicySnapshot:
        """Return the snapshot in effect, to be used for the whole request."""
        return self._current

    def swap(self, snapshot: PolicySnapshot) -> None:
        """Let requests from now on pin `snapshot`.

        Raises:
            SchemaError: it was typed against other labels than the stored ones.
        """
        if snapshot.schema.digest != self._current.schema.digest:
            raise SchemaError("the policy was typed against another labels.toml than the index")
        self._current = snapshot


def read_policy(folder: Path) -> Policy:
    """Return the admitted policy in `folder`: model.conf, policy.csv and labels.toml.

    Raises:
        PolicyError: with every place that is refused.
        SchemaError: labels.toml cannot be used.
    """
    schema = LabelSchema.from_toml(_text(folder, LABELS_FILE))
    guard(schema, "any")  # raises where there is no tenant to guard by
    policy = load(_text(folder, MODEL_FILE), read_csv(_text(folder, POLICY_FILE)), schema)
    admit(policy)
    return policy


async def activate(
    policy: Policy, records: Records, *, actor: str, now: datetime
) -> PolicySnapshot:
    """Record that `policy` takes effect, and return it under its revision number.

    A policy that is in effect already keeps its number.

    Raises:
        RecordsError: it could not be recorded, so it does not take effect.
    """
    event = AuditEvent(kind=AuditKind.POLICY_ACTIVATED, time=now, subject=actor)
    revision = await records.policies.activate(policy.digest, event)
    return PolicySnapshot(policy, policy.schema, revision.revision)


async def load_snapshot(
    folder: Path, records: Records, *, actor: str, now: datetime
) -> PolicySnapshot:
    """Read the policy in `folder` and record it.

    Raises:
        PolicyError, SchemaError: it is refused.
        RecordsError: it could not be recorded.
    """
    policy = await asyncio.to_thread(read_policy, folder)
    return await activate(policy, records, actor=actor, now=now)


def _text(folder: Path, name: str) -> str:
    try:
        with (folder / name).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise PolicyError((Refusal(name, "file", f"is larger than {MAX_FILE_BYTES} bytes"),))
        return content.decode()
    except OSError as error:
        raise PolicyError((Refusal(name, "file", "cannot be read"),)) from error
    except UnicodeDecodeError as error:
        raise PolicyError((Refusal(name, "file", "is not UTF-8"),)) from error
