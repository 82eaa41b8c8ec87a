"""At start, the engine is brought to what the records say.

A writer that was killed can leave a version half-written, a label that the engine does not carry
yet, or points of a version that is gone. None of that is ever shown, because the records have the
last word; but a wider label would show late, and dead points take up room. What another process
may be writing right now is left alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from acl.errors import AclError
from ingest.errors import IngestError
from ingest.index.engine import EngineError
from retrieval.service.wiring import Parts, reconciler

STILL_WRITING: Final = timedelta(minutes=10)
"""No writer takes this long for one document, so an older half-written version is given up."""

log = structlog.get_logger("strongroom.service")


async def mend(parts: Parts) -> None:
    """Compare and repair once; a failure is logged, because serving does not depend on it."""
    settings = parts.settings
    if settings.qdrant_url is not None and settings.qdrant_write_key_file is None:
        # Whoever only reads cannot repair; the process that writes does.
        return
    now = datetime.now(UTC)
    try:
        report = await reconciler(parts).run(now=now, begun_before=now - STILL_WRITING)
    except (EngineError, AclError, IngestError) as error:
        log.warning("not_mended", error=type(error).__name__)
        return
    log.info("mended", differences=report.differences)
    if report.unreadable:
        log.error("labels_unreadable", documents=report.unreadable)
