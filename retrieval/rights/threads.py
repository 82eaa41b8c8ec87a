"""Threads for long computations, so that requests never wait behind them.

The laws of this file:

1. The default threads stay free for requests: the policy that takes effect is read there.
2. A change waits for other changes alone. A revocation must not wait for a preview.
3. Each kind of work has one thread. Two would compete for the interpreter, and each would take
   twice as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_PREVIEWS: Final = ThreadPoolExecutor(1, thread_name_prefix="preview")
_CHANGES: Final = ThreadPoolExecutor(1, thread_name_prefix="change")
_REVIEWS: Final = ThreadPoolExecutor(1, thread_name_prefix="review")
_SHADOW: Final = ThreadPoolExecutor(1, thread_name_prefix="shadow")


async def in_turn(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, which changes nothing, behind other previews."""
    return await _run(_PREVIEWS, partial(work, *args, **kwargs))


async def for_change(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, on which a change of the policy waits, behind other changes alone."""
    return await _run(_CHANGES, partial(work, *args, **kwargs))


async def for_review(work: Callable[[], T]) -> T:
    """Run `work`, a review of access, behind other reviews."""
    return await _run(_REVIEWS, work)


async def for_shadow(work: Callable[[], T]) -> T:
    """Run `work`, which looks again at what was released."""
    return await _run(_SHADOW, work)


async def _run(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work)
