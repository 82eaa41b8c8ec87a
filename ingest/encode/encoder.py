"""Texts to vectors of unit length, by the one vetted model.

The laws of this file:

1. The model comes from a verified folder.
2. A question is encoded alone and in float32, so that its vector depends on nothing but its words.
3. Passages are encoded in bfloat16 where the processor has it, unless float32 is asked for. What
   else the machine is doing decides nothing.
4. OpenVINO encodes where it is installed and its vectors are those of the reference; elsewhere the
   reference itself, sentence-transformers, does. Which one is in the log.
5. Questions never wait for passages, and the event loop for neither.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from ingest.encode.bert import BertEncoder, UnsupportedModelError
from ingest.encode.models import DEFAULT_MODEL, verified_model_folder, vetted_model
from ingest.encode.reference import ReferenceEncoder
from ingest.index.engine import Vector

_LOG = structlog.stdlib.get_logger("strongroom.ingest")

_Encode: TypeAlias = Callable[[Sequence[str]], npt.NDArray[np.float32]]

_T = TypeVar("_T")

# OpenVINO raises the second and third where its libraries or this processor do not do.
_NOT_HERE: Final = (UnsupportedModelError, OSError, RuntimeError)

_CORES: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How the encoder uses the machine.

    Attributes:
        threads: of the processor, for one question and for one batch of passages.
        batch: passages encoded at a time.
        bfloat16: whether passages are encoded in bfloat16; None: where the processor has it.
        openvino: False takes the reference, which is slower.
    """

    threads: int = _CORES
    batch: int = 16
    bfloat16: bool | None = None
    openvino: bool = True


@dataclass(frozen=True, slots=True)
class _Ways:
    """How questions and passages are encoded."""

    question: _Encode
    passages: Callable[[], _Encode]


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
        # One at a time with all threads: several at once fight for the same cores.
        self._for_questions = ThreadPoolExecutor(1, thread_name_prefix="questions")
        self._for_passages = ThreadPoolExecutor(1, thread_name_prefix="passages")  # law 5
        self._loading = threading.Lock()
        self._ways: _Ways | None = None
        self._passages: _Encode | None = None
        self._bfloat16 = False

    @property
    def ready(self) -> bool:
        """Whether questions can be encoded without waiting for the model."""
        return self._ways is not None

    @property
    def bfloat16(self) -> bool:
        """Whether passages are encoded in bfloat16; settled by the first of them."""
        return self._bfloat16

    async def load(self) -> None:
        """Load the model for questions now.

        Raises:
            ModelError: the folder is not the vetted model.
        """
        await self._run(self._for_questions, self._loaded)

    async def encode_question(self, text: str) -> Vector:
        """Return the vector of a question."""
        rows = await self._run(self._for_questions, lambda: self._loaded().question([text]))
        vector: Vector = rows[0]  # law 2
        return vector

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, in their order."""
        # Texts of one length together: a batch is as long as its longest.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        vectors: dict[int, Vector] = {}
        for start in range(0, len(order), self._settings.batch):
            numbers = order[start : start + self._settings.batch]
            batch = [texts[number] for number in numbers]
            rows = await self._run(self._for_passages, partial(self._encoded, batch))
            vectors.update(zip(numbers, rows, strict=True))
        return [vectors[number] for number in range(len(texts))]

    async def close(self) -> None:
        """Finish what is running and let the threads go."""
        for pool in (self._for_questions, self._for_passages):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _encoded(self, batch: list[str]) -> npt.NDArray[np.float32]:
        if self._passages is None:
            self._passages = self._loaded().passages()
        return self._passages(batch)

    def _loaded(self) -> _Ways:
        with self._loading:
            if self._ways is None:
                folder = verified_model_folder(self._name, self._override)  # law 1
                self._ways = self._openvino(folder) or self._reference(folder)
            return self._ways

    def _openvino(self, folder: Path) -> _Ways | None:
        if not self._settings.openvino:
            return None
        try:
            model = BertEncoder(folder, vetted_model(self._name))
            question = model.compiled(bfloat16=False, threads=self._settings.threads)
        except _NOT_HERE as error:
            _LOG.warning("openvino_not_used", reason=str(error))  # law 4
            return None
        return _Ways(question.encode, partial(self._compiled, model))

    def _compiled(self, model: BertEncoder) -> _Encode:
        threads, wanted = self._settings.threads, self._settings.bfloat16
        if model.has_bfloat16 if wanted is None else wanted:  # law 3
            try:
                rounded = model.compiled(bfloat16=True, threads=threads)
            except _NOT_HERE as error:
                _LOG.warning("bfloat16_not_used", reason=str(error))
            else:
                self._bfloat16 = True
                return rounded.encode
        return model.compiled(bfloat16=False, threads=threads).encode

    def _reference(self, folder: Path) -> _Ways:
        model = ReferenceEncoder(folder)
        passages = partial(model.encode, threads=self._settings.threads)
        return _Ways(model.encode, lambda: passages)
