"""The one real model, without the counting that other tests want around it."""

from __future__ import annotations

import pytest

from ingest.encode.encoder import Encoder


@pytest.fixture
def encoder(model: Encoder) -> Encoder:
    return model
