"""A BERT encoder as an OpenVINO graph, made from SafeTensors without torch.

Importing torch and transformers takes seconds, and they take two to four times as long for a
question. The graph is that of Devlin et al., "BERT", 2018 (arXiv:1810.04805), with the mean over
tokens and the unit length of Reimers and Gurevych, "Sentence-BERT", 2019 (arXiv:1908.10084).

The laws of this file:

1. A folder that says anything else than what the graph computes is refused, never approximated.
2. The graph is used only after its vectors for the probes of the model's entry in `models.toml`
   were compared with those of sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ingest.encode.models import VettedModel

MIN_COSINE: Final = 0.9999
MIN_COSINE_ROUNDED: Final = 0.998
"""Between a vector of this graph and of the reference, in float32 and in bfloat16."""

_EXPECTED: Final[Mapping[str, Mapping[str, object]]] = {
    "config.json": {
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
    },
    "1_Pooling/config.json": {
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    },
}
_MODULES: Final = ["Transformer", "Pooling", "Normalize"]

_Floats = npt.NDArray[np.float32]


class UnsupportedModelError(Exception):
    """The graph would not be the model, or OpenVINO is not at hand."""


class BertEncoder:
    """One compiled graph; `encode` may be called from several threads."""

    def __init__(self, folder: Path, model: VettedModel) -> None:
        """Read the folder of a verified model.

        Raises:
            UnsupportedModelError: see the laws.
        """
        _require_expected(folder)
        self._vetted = model
        self._openvino = _openvino()
        self._core = self._openvino.Core()
        self._graph = _Graph(folder, self._openvino).model()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(model.max_tokens)
        self._tokenizer.enable_padding()

    @property
    def has_bfloat16(self) -> bool:
        """Whether this processor computes in bfloat16."""
        return "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def compiled(self, *, bfloat16: bool, threads: int) -> CompiledBert:
        """Return the graph for this processor.

        Args:
            bfloat16: round to 8 bits of mantissa between the layers.
            threads: of the processor.

        Raises:
            UnsupportedModelError: the probes come out otherwise than on record.
        """
        config = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads,
        }
        compiled = CompiledBert(
            self._core.compile_model(self._graph, "CPU", config), self._tokenizer
        )
        least = MIN_COSINE_ROUNDED if bfloat16 else MIN_COSINE
        _require_probes(compiled, self._vetted, least)  # law 2
        return compiled


class CompiledBert:
    """What turns texts into vectors."""

    def __init__(self, compiled: Any, tokenizer: Tokenizer) -> None:  # noqa: ANN401
        self._compiled = compiled
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> _Floats:
        """Return one row of unit length for each text, shape (texts, dimension)."""
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], np.int32)
        mask = np.array([each.attention_mask for each in encoded], np.int32)
        rows: _Floats = self._compiled.create_infer_request().infer([ids, mask])[0].copy()
        # In bfloat16 the graph's own normalisation is off by up to half a per cent.
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def _openvino() -> Any:  # noqa: ANN401
    try:
        return import_module("openvino")
    except ImportError as error:
        raise UnsupportedModelError("openvino is not installed") from error


def _require_expected(folder: Path) -> None:
    for name, expected in _EXPECTED.items():
        said = json.loads((folder / name).read_text(encoding="utf-8"))
        for key, value in expected.items():
            if said.get(key, value) != value:
                raise UnsupportedModelError(f"`{name}` has another `{key}`")  # law 1
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    if [module["type"].rpartition(".")[2] for module in modules] != _MODULES:
        raise UnsupportedModelError("`modules.json` has other modules")


def _require_probes(compiled: CompiledBert, model: VettedModel, least: float) -> None:
    rows = compiled.encode(list(model.probes))
    for row, expected in zip(rows, model.probes.values(), strict=True):
        if not float(row @ expected) >= least:
            raise UnsupportedModelError("a probe has another vector than on record")


class _Graph:
    """The layers of a BERT encoder, with the names that its weights have."""

    def __init__(self, folder: Path, openvino: Any) -> None:  # noqa: ANN401
        self._config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        load_file = import_module("safetensors.numpy").load_file
        weights = load_file(folder / "model.safetensors")
        self._weights = {name.removeprefix("bert."): weights[name] for name in weights}
        self._openvino = openvino
        self._op = openvino.opset15

    def model(self) -> Any:  # noqa: ANN401
        """Return the graph: (ids, mask), each int32 of (texts, tokens), to (texts, dimension)."""
        op = self._op
        ids = op.parameter([-1, -1], np.int32, name="ids")
        mask = op.parameter([-1, -1], np.int32, name="mask")
        weight = op.convert(mask, "f32")
        hidden = self._embeddings(ids)
        bias = self._attention_bias(weight)
        for number in range(self._config["num_hidden_layers"]):
            hidden = self._layer(hidden, bias, f"encoder.layer.{number}")
        return self._openvino.Model([self._pooled(hidden, weight)], [ids, mask], "bert")

    def _embeddings(self, ids: Any) -> Any:  # noqa: ANN401
        op, first = self._op, self._integers(0)
        length = op.gather(op.shape_of(ids, "i32"), self._integers(1), first)
        places = op.range(np.int32(0), length, np.int32(1), "i32")
        words = op.gather(self._weight("embeddings.word_embeddings.weight"), ids, first)
        place = op.gather(self._weight("embeddings.position_embeddings.weight"), places, first)
        kinds = self._weights["embeddings.token_type_embeddings.weight"][0]
        summed = op.add(op.add(words, place), op.constant(kinds.astype(np.float32)))
        return self._normalised(summed, "embeddings.LayerNorm")

    def _attention_bias(self, weight: Any) -> Any:  # noqa: ANN401
        """Return what takes padding out of every attention: shape (texts, 1, 1, tokens)."""
        op = self._op
        padding = op.subtract(np.float32(1), op.unsqueeze(weight, self._integers([1, 2])))
        return op.multiply(padding, np.float32(-1e9))

    def _layer(self, hidden: Any, bias: Any, name: str) -> Any:  # noqa: ANN401
        op = self._op
        heads = [self._heads(hidden, f"{name}.attention.self.{part}") for part in _PARTS]
        attended = op.scaled_dot_product_attention(*heads, bias, causal=False)
        merged = op.reshape(
            op.transpose(attended, self._integers([0, 2, 1, 3])), self._integers([0, 0, -1]), True
        )
        dense = self._linear(merged, f"{name}.attention.output.dense")
        hidden = self._normalised(op.add(dense, hidden), f"{name}.attention.output.LayerNorm")
        wide = op.gelu(self._linear(hidden, f"{name}.intermediate.dense"), "erf")
        dense = self._linear(wide, f"{name}.output.dense")
        return self._normalised(op.add(dense, hidden), f"{name}.output.LayerNorm")

    def _heads(self, hidden: Any, name: str) -> Any:  # noqa: ANN401
        heads = self._config["num_attention_heads"]
        width = self._config["hidden_size"] // heads
        shape = self._integers([0, 0, heads, width])
        split = self._op.reshape(self._linear(hidden, name), shape, True)
        return self._op.transpose(split, self._integers([0, 2, 1, 3]))

    def _pooled(self, hidden: Any, weight: Any) -> Any:  # noqa: ANN401
        """Return the mean over the tokens that are no padding, at unit length."""
        op, tokens = self._op, self._integers(1)
        weight = op.unsqueeze(weight, self._integers(-1))
        summed = op.reduce_sum(op.multiply(hidden, weight), tokens, False)
        mean = op.divide(summed, op.reduce_sum(weight, tokens, False))
        return op.normalize_l2(mean, self._integers([1]), 1e-12, "max")

    def _linear(self, hidden: Any, name: str) -> Any:  # noqa: ANN401
        product = self._op.matmul(hidden, self._weight(f"{name}.weight"), False, True)
        return self._op.add(product, self._weight(f"{name}.bias"))

    def _normalised(self, hidden: Any, name: str) -> Any:  # noqa: ANN401
        epsilon = self._config["layer_norm_eps"]
        centred = self._op.mvn(hidden, self._integers([-1]), True, epsilon, "inside_sqrt")
        scaled = self._op.multiply(centred, self._weight(f"{name}.weight"))
        return self._op.add(scaled, self._weight(f"{name}.bias"))

    def _weight(self, name: str) -> Any:  # noqa: ANN401
        if name not in self._weights:
            raise UnsupportedModelError(f"there is no weight `{name}`")
        return self._op.constant(self._weights[name].astype(np.float32))

    def _integers(self, values: int | list[int]) -> Any:  # noqa: ANN401
        return self._op.constant(np.array(values, np.int64))


_PARTS: Final = ("query", "key", "value")
