"""The page on the language names every function that a rule may call, and every leaf it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from acl.language.casbin_adapter import FUNCTIONS
from acl.predicate import Labelled, Leaf

PAGE = (Path(__file__).resolve().parents[4] / "docs/fragment.md").read_text()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_function_is_on_the_page(name: str) -> None:
    family = name.rstrip("2345")

    assert name in PAGE or f"{family}…" in PAGE


@pytest.mark.parametrize("leaf", sorted(set(get_args(Leaf)) - {Labelled}, key=str))
def test_each_leaf_is_on_the_page(leaf: type[object]) -> None:
    assert f"`{leaf.__name__}`" in PAGE
