"""The policy that comes with the project, and labels and subjects to try it with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from acl.admission.admission import read_csv
from acl.admission.reading import read_policy
from acl.labels import Label, LabelSchema
from acl.policy.policy import Policy, load
from acl.subject import Subject

FOLDER: Final = Path(__file__).resolve().parents[3] / "policy"
MODEL: Final = (FOLDER / "model.conf").read_text()
ROWS: Final = (FOLDER / "policy.csv").read_text()
SCHEMA: Final = LabelSchema.from_toml((FOLDER / "labels.toml").read_text())
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
READ: Final = "document:read"

ADA: Final = Subject(
    id="user:ada",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "board"}),
    groups=frozenset({"group:finance"}),
)
EVE: Final = Subject(
    id="user:eve", tenant="acme", clearance=2, groups=frozenset({"group:engineering"})
)


def policy(rows: str = ROWS, model: str = MODEL) -> Policy:
    """Return a policy as it would take effect."""
    return read_policy(model, rows, SCHEMA)


def unadmitted(rows: str, model: str = MODEL) -> Policy:
    """Return a policy that compiles, and that would not be let in."""
    return load(model, read_csv(rows), SCHEMA)


def label(**changed: object) -> Label:
    """Return the label of a paper of the finance department, changed as asked."""
    return SCHEMA.parse(
        {
            "tenant": "acme",
            "owner": "group:finance",
            "classification": "confidential",
            "compartments": ["finance"],
            "readers": ["group:finance"],
            "path": "/acme/finance/plan.md",
            **changed,
        }
    )
