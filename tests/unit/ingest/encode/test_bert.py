"""The forward pass against the library that the model was made for."""

from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from ingest.encode.bert import Bert
from ingest.encode.models import verified_model_folder

TEXTS = [
    "hotel limit",
    "What is the budget for project Falcon, and who approved it?",
    "",
    "日本語 text, Ärger und Öl",
    "word " * 600,
]


@pytest.fixture(name="models", scope="module")
def _models() -> tuple[Bert, SentenceTransformer]:
    folder = verified_model_folder()
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return Bert.from_folder(folder), library


@pytest.mark.parametrize("text", TEXTS)
def test_a_question_has_the_vector_of_the_library_to_the_bit(
    models: tuple[Bert, SentenceTransformer], text: str
) -> None:
    bert, library = models

    assert np.array_equal(bert.encode([text])[0], library.encode(text, show_progress_bar=False))


def test_a_batch_has_the_vectors_of_the_library_in_its_order(
    models: tuple[Bert, SentenceTransformer],
) -> None:
    bert, library = models

    assert np.allclose(
        bert.encode(TEXTS), library.encode(TEXTS, show_progress_bar=False), rtol=0, atol=1e-6
    )


def test_half_precision_points_the_same_way(models: tuple[Bert, SentenceTransformer]) -> None:
    bert, _ = models

    cosines = (bert.encode(TEXTS) * bert.halved().encode(TEXTS)).sum(1)
    assert float(cosines.min()) > 0.99
