"""Addresses without a token: whether the service lives, whether it is ready, whom to tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from fastapi import APIRouter, Response

from acl.records import RecordsError
from ingest.index.engine import EngineError
from retrieval.service.http.bodies import Answered
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS, FieldFault, ProblemError, ProblemType

SECONDS: Final = 2.0

router = APIRouter(tags=["operation"])


class Readiness(Answered):
    """Which parts answer."""

    status: Literal["ready"] = "ready"
    parts: dict[str, str]


@router.get("/livez", operation_id="live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """Answer."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Whether every part answers",
    responses=ANSWERS["readiness"],
)
async def ready(parts: Open) -> Readiness:
    """Ask records and engine, and look whether policy and model are loaded."""
    records, engine = await asyncio.gather(
        _answers(parts.records.ping()), _answers(parts.engine.ping())
    )
    states = {
        "records": records,
        "engine": engine,
        "policy": parts.snapshots.pin().revision > 0,
        "model": parts.encoder.ready,
    }
    missing = [FieldFault(f"/{name}", "is not ready") for name, good in states.items() if not good]
    if missing:
        raise ProblemError(ProblemType.UNAVAILABLE, missing)
    return Readiness(parts=dict.fromkeys(states, "ready"))


@router.get("/.well-known/security.txt", operation_id="securityContact", include_in_schema=False)
async def security_contact(parts: Open) -> Response:
    """Say whom to tell about a vulnerability (RFC 9116)."""
    expires = (datetime.now(UTC) + timedelta(days=180)).strftime("%Y-%m-%dT%H:%M:%SZ")
    contact = parts.settings.security_contact
    text = f"Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n"
    return Response(text, media_type="text/plain; charset=utf-8")


async def _answers(ping: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(SECONDS):
            await ping
    except (TimeoutError, EngineError, RecordsError):
        return False
    return True
