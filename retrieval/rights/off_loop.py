"""Work that takes long, beside the event loop and beside the threads that everything else uses.

One piece is done at a time, so that reviews wait for each other and nothing else waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

_REVIEWS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="review")


async def off_loop(work: Callable[[], T]) -> T:
    """Return what `work` returns."""
    return await asyncio.get_running_loop().run_in_executor(_REVIEWS, work)
