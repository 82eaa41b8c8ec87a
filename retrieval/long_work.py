"""Long computations: in a thread of their own, so that what requests wait for is never behind them.

The default threads are short of hands on small machines, and every request needs them: the policy
that takes effect is read there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# One: two would compete for the interpreter, and each take twice as long.
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="long-work")


async def in_turn(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` when what was asked before it is done, and return what it returns."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, partial(work, *args, **kwargs))
