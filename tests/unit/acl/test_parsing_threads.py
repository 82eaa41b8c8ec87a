"""Expressions that several threads read at the same time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acl.language.casbin_adapter import Oracle, Row, parse_model
from acl.language.expression import parse
from tests.unit.acl.small_policies import AT

MODEL = """
[request_definition]
r = sub, obj
[policy_definition]
p = rule
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = eval(p.rule)
"""
RULE = " && ".join(f"(r.sub == 's{number}' || r.obj == 'o')" for number in range(30))
ROUNDS = 300


@pytest.fixture
def crowded() -> Iterator[None]:
    """Switch threads and collect garbage as often as can be."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("crowded")
def test_threads_that_read_expressions_do_not_disturb_each_other() -> None:
    def enforced() -> None:
        oracle = Oracle(parse_model(MODEL), [Row(1, "p", (RULE,))], at=AT)
        for _ in range(ROUNDS):
            assert oracle.enforce("s", "o")

    def read() -> None:
        for _ in range(ROUNDS):
            parse(RULE)

    with ThreadPoolExecutor(4) as threads:
        for one in [threads.submit(work) for work in (enforced, read, enforced, read)]:
            one.result()
