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
from ingest.encode.models import verified_model_folder
from ingest.encode.reference import ReferenceEncoder
from ingest.errors import ModelError

TEXTS = [
    "The travel policy allows rail journeys.",
    "Salaries are confidential.",
    "Trains may be booked by every employee without asking.",
]


@pytest.fixture(scope="module")
def reference() -> ReferenceEncoder:
    return ReferenceEncoder(verified_model_folder())


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


@pytest.mark.parametrize("openvino", [True, False])
async def test_the_model_is_loaded_at_the_first_call_and_without_bfloat16_if_told(
    *, openvino: bool
) -> None:
    encoder = Encoder(settings=EncoderSettings(bfloat16=False, threads=1, openvino=openvino))
    assert not encoder.ready

    passage, question = (
        (await encoder.encode_passages(["the same words"]))[0],
        await encoder.encode_question("the same words"),
    )

    assert encoder.ready
    assert not encoder.bfloat16
    assert np.array_equal(passage, question)
    await encoder.close()


async def test_without_openvino_the_reference_encodes(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    other = Encoder()

    vector = await other.encode_question(TEXTS[0])

    assert float(vector @ await encoder.encode_question(TEXTS[0])) > 0.9999
    await other.close()


async def test_passages_come_in_the_order_of_their_texts(encoder: Encoder) -> None:
    texts = [f"{'word ' * (number * 7 % 40)} {number}" for number in range(40)]

    vectors = await encoder.encode_passages(texts)

    for text, vector in zip(texts, vectors, strict=True):
        assert float(vector @ await encoder.encode_question(text)) > 0.998


async def test_a_folder_that_is_not_the_model_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    encoder = Encoder(override=tmp_path)

    with pytest.raises(ModelError, match=r"`pytorch_model\.bin` is refused"):
        await encoder.encode_question("x")
    assert not encoder.ready
    await encoder.close()


def test_a_question_is_encoded_without_torch() -> None:
    program = (
        "import asyncio, sys; from ingest.encode.encoder import Encoder; "
        "asyncio.run(Encoder().encode_question('x')); raise SystemExit('torch' in sys.modules)"
    )

    root = Path(encode.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=root, timeout=60)

    assert done.returncode == 0


def test_the_libraries_are_told_to_stay_offline(reference: ReferenceEncoder) -> None:
    assert reference.encode(["x"]).shape == (1, 384)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
