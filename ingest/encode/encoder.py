"""Texts to vectors of unit length, by the one vetted model.

The laws of this file:

1. The model comes from a verified folder, offline, as SafeTensors, without code of its own.
2. A question is encoded alone and in float32, so that its vector depends on nothing but its words.
3. Passages may be encoded in bfloat16, where that was measured on this processor to be at least
   1.3 times as fast and to point the same way.
4. All work is done in one thread, in small batches, so that a question waits for one batch at most.
"""

from __future__ import annotations

import asyncio
import copy
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from ingest.encode.models import DEFAULT_MODEL, verified_model_folder
from ingest.index.engine import Vector

MIN_SPEEDUP: Final = 1.3
MIN_COSINE: Final = 0.99

_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_SAMPLE: Final = [
    f"Section {number}. The committee read the report of the finance department for the quarter, "
    "compared it with the plan of the year before, and decided to postpone the purchase. " * 5
    for number in range(4)
]

_T = TypeVar("_T")


class _Model(Protocol):
    """The part of a sentence-transformers model that is used."""

    max_seq_length: int

    def encode(self, sentences: Sequence[str], **options: Any) -> Any:  # noqa: ANN401
        """Return one row for each text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How the encoder uses the machine.

    Attributes:
        question_threads: torch's threads for a question; more than one loses on busy cores.
        passage_threads: torch's threads for passages.
        batch: passages encoded at a time; a question waits for one such batch at most.
        bfloat16: whether passages are encoded in bfloat16; None measures it before the first.
    """

    question_threads: int = 1
    passage_threads: int = 2
    batch: int = 8
    bfloat16: bool | None = None


class Encoder:
    """The model, loaded in the background of the first call or by `load`."""

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        *,
        override: Path | None = None,
        settings: EncoderSettings | None = None,
    ) -> None:
        self._name = name
        self._override = override
        self._settings = settings or EncoderSettings()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")  # law 4
        self._for_questions: _Model | None = None
        self._for_passages: _Model | None = None

    @property
    def ready(self) -> bool:
        """Whether questions can be encoded without waiting for the model."""
        return self._for_questions is not None

    @property
    def bfloat16(self) -> bool:
        """Whether passages are encoded in bfloat16; settled by the first of them."""
        return self._for_passages is not None and self._for_passages is not self._for_questions

    async def load(self) -> None:
        """Load the model for questions now; it takes seconds.

        Raises:
            ModelError: the folder is not the vetted model.
        """
        await self._run(self._question_model)

    async def encode_question(self, text: str) -> Vector:
        """Return the vector of a question."""
        vectors = await self._run(lambda: self._encode([text], passages=False))  # law 2
        return vectors[0]

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, in their order."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), self._settings.batch):
            batch = list(texts[start : start + self._settings.batch])
            vectors += await self._run(lambda batch=batch: self._encode(batch, passages=True))  # type: ignore[misc]
        return vectors

    async def close(self) -> None:
        """Finish what is running and let the thread go."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _question_model(self) -> _Model:
        if self._for_questions is None:
            self._for_questions = _load(self._name, self._override)
        return self._for_questions

    def _passage_model(self) -> _Model:
        # Only who encodes passages pays for the second model and for measuring which is faster.
        if self._for_passages is None:
            self._for_passages = _passage_model(self._question_model(), self._settings)
        return self._for_passages

    def _encode(self, texts: list[str], *, passages: bool) -> list[Vector]:
        settings = self._settings
        model = self._passage_model() if passages else self._question_model()
        _use_threads(settings.passage_threads if passages else settings.question_threads)
        return _vectors(model, texts)


def _load(name: str, override: Path | None) -> _Model:
    folder = verified_model_folder(name, override)  # law 1
    # Read when the libraries are imported, which is why the import stands below it.
    os.environ.update(_OFFLINE)
    # Importing takes seconds and a few hundred megabytes: only a process that encodes pays.
    import_module("transformers.utils.logging").disable_progress_bar()
    model: _Model = import_module("sentence_transformers").SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )
    return model


def _passage_model(model: _Model, settings: EncoderSettings) -> _Model:
    if settings.bfloat16 is False:
        return model
    half = _halved(model)
    if settings.bfloat16 is None and not _is_worth_it(model, half, settings.passage_threads):
        return model
    return half


def _halved(model: _Model) -> _Model:
    copied: Any = copy.deepcopy(model)
    half: _Model = copied.to(import_module("torch").bfloat16)
    return half


_MEASURED: Final[dict[int, bool]] = {}
"""Whether bfloat16 pays, by torch's threads; it takes seconds, so a process measures it once."""


def _is_worth_it(model: _Model, half: _Model, threads: int) -> bool:
    if threads not in _MEASURED:
        _MEASURED[threads] = _is_measured_to_be(model, half, threads)
    return _MEASURED[threads]


def _is_measured_to_be(model: _Model, half: _Model, threads: int) -> bool:
    _use_threads(threads)
    slow, exact = _measured(model)
    fast, rounded = _measured(half)
    cosine = min(float(one @ other) for one, other in zip(exact, rounded, strict=True))
    return slow >= MIN_SPEEDUP * fast and cosine >= MIN_COSINE  # law 3


def _measured(model: _Model) -> tuple[float, list[Vector]]:
    """Return the best of three timings, after one that warms up."""
    vectors = _vectors(model, _SAMPLE)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        _vectors(model, _SAMPLE)
        times.append(time.perf_counter() - started)
    return min(times), vectors


def _vectors(model: _Model, texts: list[str]) -> list[Vector]:
    rows = model.encode(
        texts, batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False
    )
    exact = np.asarray(rows, dtype=np.float32)
    # In bfloat16 the model's own normalisation is off by up to half a per cent.
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return list(exact)


def _use_threads(number: int) -> None:
    torch = import_module("torch")
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
