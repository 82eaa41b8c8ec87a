"""The scanner's compiled rules, made once for a test process: making them takes four seconds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from ingest.read.scan import SecretScanner


def compiled_rules(data: Path) -> None:
    """Lay the compiled rules where the installation in `data` keeps them."""
    place = data / "scanner"
    if not place.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(_made(), place)


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    SecretScanner(folder)
    return folder
