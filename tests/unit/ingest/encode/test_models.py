from __future__ import annotations

import dataclasses
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.encode.models import VettedModel, verified_model_folder, verify_folder, vetted_model
from ingest.errors import ModelError


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the model whose weights are a hard or soft link to the real ones."""
    target = tmp_path / "copied"
    shutil.copytree(model_folder, target, ignore=shutil.ignore_patterns("model.safetensors"))
    (target / "model.safetensors").symlink_to(model_folder / "model.safetensors")
    return target


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        verified_model_folder(override=folder)
    return caught.value.reason


def test_the_installed_model_is_the_vetted_one(model_folder: Path) -> None:
    model = vetted_model()

    assert (model.dimension, model.max_tokens) == (384, 256)
    assert model.files["model.safetensors"].startswith("53aa51172d142c89")
    assert set(model.files) <= {
        path.relative_to(model_folder).as_posix() for path in model_folder.rglob("*")
    }


def test_a_copy_elsewhere_is_accepted(copy: Path) -> None:
    (copy / "LICENSE").write_text("\nApache")

    assert verified_model_folder(override=copy) == copy


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match="`other` is not a vetted model; there are all-minilm"):
        verified_model_folder("other")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == "there is no model folder `none`"


def test_a_package_that_is_not_installed_is_refused() -> None:
    model = dataclasses.replace(vetted_model(), package="not_installed_at_all")
    from ingest.encode.models import _packaged  # noqa: PLC0415 - a private step of the lookup

    with pytest.raises(ModelError, match="`not_installed_at_all` of the model is not installed"):
        _packaged(model)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "modules.json", "vocab.txt"])
def test_one_changed_byte_is_refused(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content.replace(b"e", b"E", 1))

    assert refusal(copy) == f"`{name}` is not the vetted file: its SHA-256 differs"


def test_changed_weights_are_refused(copy: Path, model_folder: Path) -> None:
    (copy / "model.safetensors").unlink()
    with (model_folder / "model.safetensors").open("rb") as file:
        (copy / "model.safetensors").write_bytes(file.read(1_000_000))

    assert refusal(copy) == "`model.safetensors` is not the vetted file: its SHA-256 differs"


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()

    assert "`tokenizer.json`" in refusal(copy)
    assert "is missing" in refusal(copy)


@pytest.mark.parametrize("name", ["adapter_config.json", "2_Dense/config.json", "x.txt"])
def test_a_file_that_is_not_on_the_list_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("{}")

    assert refusal(copy) == f"`{name}` is not a file of the model `all-minilm-l6-v2`"


@pytest.mark.parametrize(
    "name",
    [
        *("pytorch_model.bin", "m.pt", "m.pth", "m.pkl", "m.joblib", "m.ckpt", "tf_model.h5"),
        *("onnx/model.onnx", "m.pb", "m.msgpack", "modeling.py", "m.npz", "m.PKL", "m.weird"),
    ],
)
def test_a_name_that_may_carry_code_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("{}")

    assert refusal(copy).startswith(f"`{name}` is refused: `")


def _torch(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("x"))


def _bytes(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        *((_bytes(pickle.dumps({"a": 1}, protocol=number)), "a pickle") for number in range(2, 6)),
        (_torch, "a zip archive, as torch writes it"),
        (_tar, "a tar archive"),
        (_bytes(b"\x89HDF\r\n\x1a\n"), "an HDF5 file"),
        (_bytes(b"\x1f\x8b\x08"), "a gzip archive"),
        (_bytes(b"\x93NUMPY\x01\x00"), "a NumPy file"),
        (_bytes(b"GGUF\x03"), "a GGUF file"),
        (_bytes(b"\x08\x07\x12\x07pytorch"), "an ONNX or other protocol buffer file"),
        (_bytes(b"\x7fELF"), "a program"),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt", "README.md"])
def test_first_bytes_count_more_than_the_name(
    copy: Path, name: str, make: Callable[[Path], None], kind: str
) -> None:
    (copy / name).unlink()
    make(copy / name)

    assert refusal(copy) == f"`{name}` is refused: it is {kind}"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.safetensors", b"(lp0\nI1\na.", "not SafeTensors"),
        ("model.safetensors", (10**9).to_bytes(8, "little") + b"{}", "not SafeTensors"),
        ("config.json", b"c__builtin__\neval\n", "not JSON"),
        ("vocab.txt", b"a\0b", "not text"),
    ],
)
def test_what_is_not_as_named_is_refused(copy: Path, name: str, content: bytes, kind: str) -> None:
    (copy / name).unlink()
    (copy / name).write_bytes(content)

    assert refusal(copy) == f"`{name}` is refused: it is {kind}"


def test_a_link_to_nowhere_is_refused(copy: Path) -> None:
    (copy / "README.md").unlink()
    (copy / "README.md").symlink_to("nowhere")

    assert refusal(copy) == "`README.md` cannot be read"


def test_a_model_is_verified_by_its_own_list(tmp_path: Path) -> None:
    model = VettedModel(
        name="m",
        package="p",
        folder="f",
        dimension=1,
        max_tokens=1,
        files={},
        ignored=frozenset(),
        probes={},
    )

    verify_folder(tmp_path, model)
