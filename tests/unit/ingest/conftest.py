"""What the writer's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.encode.models import verified_model_folder


@pytest.fixture(scope="session")
def model_folder() -> Path:
    return verified_model_folder()
