"""The model as sentence-transformers computes it: what every faster way is compared with.

The law of this file: the model comes from a verified folder, offline, as SafeTensors, without code
of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class ReferenceEncoder:
    """The model in float32. One text or batch at a time: torch's threads belong to the process."""

    def __init__(self, folder: Path) -> None:
        """Load the model from a verified folder; it takes seconds."""
        # Read when the libraries are imported, which is why the import stands below it.
        os.environ.update(_OFFLINE)
        # Importing takes seconds and a few hundred megabytes: only a process that encodes pays.
        import_module("transformers.utils.logging").disable_progress_bar()
        self._model: Any = import_module("sentence_transformers").SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        self._torch = import_module("torch")
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], *, threads: int = 1) -> npt.NDArray[np.float32]:
        """Return one row of unit length for each text, shape (texts, dimension).

        Args:
            texts: at least one.
            threads: of the processor; more than one loses on busy cores.
        """
        with self._lock:
            if self._torch.get_num_threads() != threads:
                self._torch.set_num_threads(threads)
            rows = self._model.encode(
                list(texts), batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False
            )
        return np.asarray(rows, dtype=np.float32)
