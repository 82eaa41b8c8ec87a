"""What the writer's tests share: the one real model, loaded once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ingest.encode.encoder import Encoder, EncoderSettings
from ingest.encode.models import verified_model_folder


@pytest.fixture(scope="session")
def model_folder() -> Path:
    return verified_model_folder()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def loaded_encoder() -> AsyncIterator[Encoder]:
    encoder = Encoder(settings=EncoderSettings(bfloat16=True, passage_threads=1))
    await encoder.load()
    yield encoder
    await encoder.close()


@pytest.fixture
def encoder(loaded_encoder: Encoder) -> Encoder:
    return loaded_encoder
