"""What a route may ask for: the open parts, and the policy in effect."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from retrieval.rights.snapshot import PolicySnapshot
from retrieval.service.wiring import Parts


def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


def _snapshot(request: Request) -> PolicySnapshot:
    return _parts(request).snapshots.pin()


Open = Annotated[Parts, Depends(_parts)]
"""The open parts."""

Policy = Annotated[PolicySnapshot, Depends(_snapshot)]
"""The policy in effect when the request came."""
