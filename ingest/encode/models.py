"""Which embedding models may be loaded, and proof that a folder holds one of them.

The laws of this file:

1. A folder is loaded only if every file of the model is in it, with the recorded SHA-256, and
   nothing else is except the documents that no loader reads.
2. No file that can carry code or another engine's weights is tolerated, under any name:
   refused by its suffix and by its first bytes, before any hash is asked for.
3. Every refusal names the file.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ingest.errors import ModelError

DEFAULT_MODEL: Final = "all-minilm-l6-v2"

# What is known to run code, or to be read by a loader that does; for a sentence that says so.
_DANGEROUS: Final = frozenset(
    {
        *(".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".dill", ".npy", ".npz"),
        *(".h5", ".hdf5", ".keras", ".onnx", ".pb", ".tflite", ".mlmodel", ".msgpack", ".ot"),
        *(".gguf", ".ggml", ".nemo", ".mar", ".zip", ".tar", ".gz", ".so", ".dll", ".py", ".pyc"),
    }
)
_SUFFIXES: Final = frozenset({".safetensors", ".json", ".txt", ".md", ""})
_MAGICS: Final = (
    (b"PK\x03\x04", "a zip archive, as torch writes it"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"GGUF", "a GGUF file"),
    (b"\x7fELF", "a program"),
    (b"\x08", "an ONNX or other protocol buffer file"),
)
_LOWEST_PROTOCOL: Final = 2
_HIGHEST_PROTOCOL: Final = 5
_HEAD: Final = 4096
_MAX_HEADER: Final = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VettedModel:
    """One entry of `models.toml`.

    Attributes:
        name: how settings name it.
        package: the import package that carries it.
        folder: where in the package.
        dimension: length of its vectors.
        max_tokens: what is longer is cut.
        files: path in the folder to SHA-256, hexadecimal.
        ignored: documents that may lie in the folder and are not read.
        probes: text to the vector that sentence-transformers makes of it.
    """

    name: str
    package: str
    folder: str
    dimension: int
    max_tokens: int
    files: Mapping[str, str]
    ignored: frozenset[str]
    probes: Mapping[str, npt.NDArray[np.float32]]


def vetted_model(name: str = DEFAULT_MODEL) -> VettedModel:
    """Return the entry of the model `name`.

    Raises:
        ModelError: no such model was vetted.
    """
    text = resources.files("ingest.encode").joinpath("models.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    if name not in tables:
        raise ModelError(f"`{name}` is not a vetted model; there are {', '.join(sorted(tables))}")
    table = tables[name]
    return VettedModel(
        **{key: table[key] for key in ("package", "folder", "dimension", "max_tokens")},
        name=name,
        files=table["files"],
        ignored=frozenset(table["ignored"]),
        probes={text: _vector(written) for text, written in table["probes"].items()},
    )


def _vector(written: str) -> npt.NDArray[np.float32]:
    """Read a vector of unit length, as numbers of 16 bits in base 64."""
    rounded = np.frombuffer(base64.b64decode(written), np.float16).astype(np.float32)
    unit: npt.NDArray[np.float32] = rounded / np.linalg.norm(rounded)
    return unit


def verified_model_folder(name: str = DEFAULT_MODEL, override: Path | None = None) -> Path:
    """Return the folder of the model `name`, every file of it checked.

    Args:
        name: of a vetted model.
        override: a folder to take instead of the one in the installed package.

    Raises:
        ModelError: a file is missing, altered, not on the list, or of a kind that may carry code.
    """
    model = vetted_model(name)
    folder = override if override is not None else _packaged(model)
    if not folder.is_dir():
        raise ModelError(f"there is no model folder `{folder.name}`")
    verify_folder(folder, model)
    return folder


def verify_folder(folder: Path, model: VettedModel) -> None:
    """Check every file in `folder` against `model`.

    Raises:
        ModelError: as `verified_model_folder`.
    """
    found = dict(_files(folder))
    for relative, path in found.items():
        _refuse_kind(relative, path)  # law 2, before any hash
    for relative in found:
        if relative not in model.files and relative not in model.ignored:
            raise ModelError(f"`{relative}` is not a file of the model `{model.name}`")
    for relative, wanted in model.files.items():
        if relative not in found:
            raise ModelError(f"`{relative}` of the model `{model.name}` is missing")
        if _sha256(found[relative]) != wanted:  # law 1
            raise ModelError(f"`{relative}` is not the vetted file: its SHA-256 differs")


def _packaged(model: VettedModel) -> Path:
    spec = find_spec(model.package)
    if spec is None or spec.origin is None:
        raise ModelError(f"the package `{model.package}` of the model is not installed")
    return Path(spec.origin).parent / model.folder


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_dir():
            yield path.relative_to(folder).as_posix(), path


def _refuse_kind(relative: str, path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in _DANGEROUS or suffix not in _SUFFIXES:
        raise ModelError(f"`{relative}` is refused: `{suffix}` may carry code or foreign weights")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ModelError(f"`{relative}` cannot be read") from error
    kind = _kind(suffix, head, path.stat().st_size)
    if kind:
        raise ModelError(f"`{relative}` is refused: it is {kind}")


def _kind(suffix: str, head: bytes, size: int) -> str | None:
    """Return what a file is that it must not be, or None."""
    if suffix == ".safetensors":
        # The length of a header may happen to look like a pickle's first bytes, so this is first.
        return None if _is_safetensors(head, size) else _dangerous(head) or "not SafeTensors"
    kind = _dangerous(head)
    if kind is None and suffix == ".json" and not head.lstrip().startswith((b"{", b"[")):
        return "not JSON"
    return kind or ("not text" if b"\0" in head else None)


def _dangerous(head: bytes) -> str | None:
    if head[:1] == b"\x80" and _LOWEST_PROTOCOL <= int.from_bytes(head[1:2]) <= _HIGHEST_PROTOCOL:
        return "a pickle"
    if head[257:262] == b"ustar":
        return "a tar archive"
    kinds = (kind for magic, kind in _MAGICS if head.startswith(magic))
    return next(kinds, None)


def _is_safetensors(head: bytes, size: int) -> bool:
    """Say whether a file begins with the length of a JSON header that fits into it."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 0 < length <= min(size - 8, _MAX_HEADER)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
