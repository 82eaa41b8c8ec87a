"""A second copy of the whole import graph, with one text in one module changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from tests.faults.mutants import Mutant

_CHECKS = "tests.faults.checks"
_ROOTS = ("acl", "ingest", "tests.conformance", "tests.properties", _CHECKS)


class _Changed(InspectLoader):
    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, fullname: str) -> str:
        del fullname
        return self._text


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        assert found is not None
        assert found.origin is not None
        text = Path(found.origin).read_text(encoding="utf-8")
        assert text.count(self._mutant.original) == 1, "the fault's text has moved"
        changed = _Changed(text.replace(self._mutant.original, self._mutant.mutated))
        return spec_from_loader(fullname, changed, origin=found.origin)


@contextmanager
def private_copy(mutant: Mutant) -> Iterator[ModuleType]:
    """Yield the checks, imported beside a mutated copy of everything that they import."""
    kept = {name: one for name, one in sys.modules.items() if _ours(name)}
    finder = _Finder(mutant)
    for name in kept:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield import_module(_CHECKS)
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        for name, module in kept.items():
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)


def _ours(name: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in _ROOTS)
