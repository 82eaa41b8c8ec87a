"""Long computations: in a thread of their own, so that what requests wait for is never behind them.

The default threads are short of hands on small machines, and every request needs them: the policy
that takes effect is read there. What a change of the policy computes has a thread besides, because
a revocation must not wait for somebody who only looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# One of each: two would compete for the interpreter, and each take twice as long.
_LOOKING: Final = ThreadPoolExecutor(1, thread_name_prefix="looking")
_CHANGING: Final = ThreadPoolExecutor(1, thread_name_prefix="changing")


async def in_turn(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, which changes nothing, when what was asked before it is done."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_LOOKING, partial(work, *args, **kwargs))


async def for_change(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, on which a change of the policy waits, behind other changes alone."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_CHANGING, partial(work, *args, **kwargs))
