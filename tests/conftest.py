"""What holds for every test."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Trace no slow test for coverage.

    Tracing takes half as long again, and a line that only millions of random cases reach wants a
    test of its own.
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")
