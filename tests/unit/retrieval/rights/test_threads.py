"""Whoever looks holds up nobody who changes."""

from __future__ import annotations

import asyncio
import threading

from retrieval.rights.threads import for_change, in_turn


async def test_a_change_does_not_wait_for_whoever_looks() -> None:
    release = threading.Event()
    looking = asyncio.create_task(in_turn(release.wait))
    behind = asyncio.create_task(in_turn(str, 1))
    try:
        assert await asyncio.wait_for(for_change(str, 2), 30) == "2"
        assert not looking.done()
        assert not behind.done()
    finally:
        release.set()
    assert await behind == "1"
