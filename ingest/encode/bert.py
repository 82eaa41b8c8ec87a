"""The forward pass of the vetted model: BERT, its tokens' mean, unit length.

The libraries that do this for any model take four seconds to import, which is most of what a
question on the command line costs. This one shape takes forty lines of torch.

The laws of this file:

1. It is the model of Devlin et al., "BERT" (2019), as sentence-transformers runs it: the same
   operations in the same order, so that vectors stored by either are the same.
2. Weights come from SafeTensors alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from torch.nn import functional

_EMBEDDINGS: Final = "embeddings"


class Bert:
    """A sentence encoder over the weights of one folder."""

    def __init__(
        self, weights: Mapping[str, Tensor], tokenizer: Tokenizer, heads: int, epsilon: float
    ) -> None:
        self._weights = dict(weights)
        self._tokenizer = tokenizer
        self._heads = heads
        self._epsilon = epsilon
        self._layers = len({name.split(".")[2] for name in weights if ".layer." in name})

    @classmethod
    def from_folder(cls, folder: Path) -> Bert:
        """Return the model of a verified folder."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        cut = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(cut["max_seq_length"])
        tokenizer.enable_padding()
        weights = load_file(folder / "model.safetensors")  # law 2
        return cls(weights, tokenizer, config["num_attention_heads"], config["layer_norm_eps"])

    def halved(self) -> Bert:
        """Return the model in bfloat16."""
        weights = {name: tensor.bfloat16() for name, tensor in self._weights.items()}
        return Bert(weights, self._tokenizer, self._heads, self._epsilon)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row of unit length for each text."""
        # Texts of one length beside each other need the least padding.
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        with torch.inference_mode():
            encodings = self._tokenizer.encode_batch([texts[place] for place in order])
            rows = self._vectors(encodings).float()
            return rows[torch.tensor(order).argsort()].numpy()

    def _vectors(self, encodings: Sequence[Encoding]) -> Tensor:
        ids = torch.tensor([one.ids for one in encodings])
        mask = torch.tensor([one.attention_mask for one in encodings])
        # One length has nothing to hide, and torch is faster without a mask.
        hidden = None if bool(mask.all()) else mask[:, None, None, :].bool()
        state = self._embedded(ids)
        for layer in range(self._layers):
            state = self._layer(f"encoder.layer.{layer}", state, hidden)
        counted = mask[:, :, None].to(state.dtype)
        mean = (state * counted).sum(1) / counted.sum(1).clamp(min=1e-9)
        return functional.normalize(mean, p=2, dim=1)

    def _embedded(self, ids: Tensor) -> Tensor:
        weights = self._weights
        words = functional.embedding(ids, weights[f"{_EMBEDDINGS}.word_embeddings.weight"])
        # Each text is of the first kind; the second is for pairs of texts.
        kind = weights[f"{_EMBEDDINGS}.token_type_embeddings.weight"][0]
        place = weights[f"{_EMBEDDINGS}.position_embeddings.weight"][: ids.shape[1]]
        return self._normed(f"{_EMBEDDINGS}.LayerNorm", words + kind + place)

    def _layer(self, name: str, state: Tensor, mask: Tensor | None) -> Tensor:
        """Return what one layer makes of `state`: attention, then two dense layers."""
        query, key, value = (
            self._by_head(f"{name}.attention.self.{part}", state)
            for part in ("query", "key", "value")
        )
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        joined = attended.transpose(1, 2).reshape(state.shape)
        state = self._added(f"{name}.attention.output", joined, state)
        inner = functional.gelu(self._dense(f"{name}.intermediate.dense", state))
        return self._added(f"{name}.output", inner, state)

    def _by_head(self, name: str, state: Tensor) -> Tensor:
        texts, tokens, _ = state.shape
        return self._dense(name, state).view(texts, tokens, self._heads, -1).transpose(1, 2)

    def _added(self, name: str, inner: Tensor, state: Tensor) -> Tensor:
        return self._normed(f"{name}.LayerNorm", self._dense(f"{name}.dense", inner) + state)

    def _dense(self, name: str, state: Tensor) -> Tensor:
        return self._of(name, lambda weight, bias: functional.linear(state, weight, bias))

    def _normed(self, name: str, state: Tensor) -> Tensor:
        size = (state.shape[-1],)
        return self._of(
            name,
            lambda weight, bias: functional.layer_norm(state, size, weight, bias, self._epsilon),
        )

    def _of(self, name: str, work: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return work(self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])
