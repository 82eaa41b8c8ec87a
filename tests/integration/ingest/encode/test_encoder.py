from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ingest.encode import encoder as encode
from ingest.encode.encoder import Encoder, EncoderSettings
from ingest.errors import ModelError

TEXTS = [
    "The travel policy allows rail journeys.",
    "Salaries are confidential.",
    "Trains may be booked by every employee without asking.",
]


async def test_vectors_are_float32_of_unit_length(encoder: Encoder) -> None:
    question = await encoder.encode_question("May I take the train?")
    passages = await encoder.encode_passages(TEXTS * 5)

    assert len(passages) == 15
    for vector in (question, *passages):
        assert vector.dtype == np.dtype(np.float32)
        assert vector.shape == (384,)
        assert abs(float(np.linalg.norm(vector)) - 1) < 1e-6


async def test_what_means_the_same_lies_near(encoder: Encoder) -> None:
    question = await encoder.encode_question("May I take the train?")
    rail, salary, trains = [float(question @ one) for one in await encoder.encode_passages(TEXTS)]

    assert min(rail, trains) > salary + 0.2


async def test_a_question_depends_on_its_words_alone(encoder: Encoder) -> None:
    alone = await encoder.encode_question("What is the budget?")
    many = await asyncio.gather(
        encoder.encode_question("What is the budget?"),
        encoder.encode_passages(TEXTS * 10),
        encoder.encode_question("Another one, much longer than the first, about something else"),
    )

    assert np.array_equal(alone, many[0])


async def test_passages_in_bfloat16_point_the_way_of_float32(encoder: Encoder) -> None:
    passages = await encoder.encode_passages(TEXTS)
    assert encoder.bfloat16
    for text, rounded in zip(TEXTS, passages, strict=True):
        exact = await encoder.encode_question(text)
        assert float(exact @ rounded) > 0.99


async def test_what_is_longer_than_the_model_reads_is_cut(encoder: Encoder) -> None:
    start = "budget " * 300
    one, other = await encoder.encode_passages([start + "alpha " * 50, start + "omega " * 9])

    assert float(one @ other) > 0.999


async def test_no_texts_are_no_vectors(encoder: Encoder) -> None:
    assert await encoder.encode_passages([]) == []


async def test_a_question_waits_for_one_batch_at_most(encoder: Encoder) -> None:
    order: list[str] = []

    async def passages() -> None:
        await encoder.encode_passages(["some words of a passage " * 20] * 80)
        order.append("passages")

    async def question() -> None:
        await encoder.encode_question("short")
        order.append("question")

    await asyncio.gather(passages(), question())

    assert order == ["question", "passages"]


async def test_the_model_is_loaded_at_the_first_call_and_without_bfloat16_if_told() -> None:
    encoder = Encoder(settings=EncoderSettings(bfloat16=False, passage_threads=1))
    assert not encoder.ready

    passage, question = (
        (await encoder.encode_passages(["the same words"]))[0],
        await encoder.encode_question("the same words"),
    )

    assert encoder.ready
    assert not encoder.bfloat16
    assert np.array_equal(passage, question)
    await encoder.close()


async def test_bfloat16_is_measured_when_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_SAMPLE", TEXTS)
    monkeypatch.setattr(encode, "MIN_SPEEDUP", 1e9)
    monkeypatch.setattr(encode, "_MEASURED", {})
    encoder = Encoder()
    await encoder.load()
    assert encoder.ready
    await encoder.encode_passages(TEXTS)

    assert not encoder.bfloat16
    await encoder.close()


@pytest.mark.parametrize(
    ("speedup", "cosine", "expected"), [(0.0, 0.0, True), (1e9, 0.0, False), (0.0, 1.1, False)]
)
async def test_bfloat16_must_be_faster_and_close(
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
    speedup: float,
    cosine: float,
    *,
    expected: bool,
) -> None:
    monkeypatch.setattr(encode, "_SAMPLE", TEXTS)
    monkeypatch.setattr(encode, "MIN_SPEEDUP", speedup)
    monkeypatch.setattr(encode, "MIN_COSINE", cosine)
    monkeypatch.setattr(encode, "_MEASURED", {})

    model, half = encoder._question_model(), encoder._passage_model()
    assert encode._is_worth_it(model, half, 1) is expected


async def test_a_folder_that_is_not_the_model_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    encoder = Encoder(override=tmp_path)

    with pytest.raises(ModelError, match=r"`pytorch_model\.bin` is refused"):
        await encoder.encode_question("x")
    assert not encoder.ready
    await encoder.close()


def test_importing_the_encoder_imports_no_model_library() -> None:
    program = "import sys, ingest.encode.encoder; raise SystemExit('torch' in sys.modules)"

    root = Path(encode.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=root, timeout=60)

    assert done.returncode == 0


async def test_the_libraries_are_told_to_stay_offline(encoder: Encoder) -> None:
    assert encoder.ready
    assert os.environ["HF_HUB_OFFLINE"] == "1"
