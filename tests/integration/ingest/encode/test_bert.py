"""The graph against sentence-transformers, on texts of every length and script."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.encode.bert import BertEncoder, CompiledBert, UnsupportedModelError
from ingest.encode.models import verified_model_folder, vetted_model
from ingest.encode.reference import ReferenceEncoder


@pytest.fixture(scope="module")
def reference() -> ReferenceEncoder:
    return ReferenceEncoder(verified_model_folder())


@pytest.fixture(scope="module")
def graph() -> CompiledBert:
    return BertEncoder(verified_model_folder(), vetted_model()).compiled(bfloat16=False, threads=1)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.text(max_size=60) | st.integers(1, 400).map(lambda words: "harbour crane 休暇 " * words),
        min_size=1,
        max_size=5,
    )
)
def test_the_graph_is_the_reference(
    graph: CompiledBert, reference: ReferenceEncoder, texts: list[str]
) -> None:
    cosines = (graph.encode(texts) * reference.encode(texts)).sum(axis=1)

    assert cosines.min() >= 0.9999


def test_the_probes_on_record_are_those_of_the_reference(reference: ReferenceEncoder) -> None:
    probes = vetted_model().probes

    rows = reference.encode(list(probes))

    assert (rows * np.array(list(probes.values()))).sum(axis=1).min() > 0.999999


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "hidden_act", "relu"),
        ("config.json", "model_type", "roberta"),
        ("1_Pooling/config.json", "pooling_mode_mean_tokens", False),
    ],
)
def test_another_architecture_is_refused(
    tmp_path: Path, file: str, key: str, value: object
) -> None:
    folder = Path(shutil.copytree(verified_model_folder(), tmp_path / "model"))
    said = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(said | {key: value}))

    with pytest.raises(UnsupportedModelError, match=f"`{file}` has another `{key}`"):
        BertEncoder(folder, vetted_model())


def test_other_modules_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(verified_model_folder(), tmp_path / "model"))
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')

    with pytest.raises(UnsupportedModelError, match=r"`modules\.json` has other modules"):
        BertEncoder(folder, vetted_model())


@pytest.mark.parametrize("bfloat16", [False, True])
def test_vectors_that_differ_from_the_record_are_refused(*, bfloat16: bool) -> None:
    model = vetted_model()
    first, *others = model.probes
    mixed = dict(model.probes) | {first: model.probes[others[0]]}

    encoder = BertEncoder(verified_model_folder(), replace(model, probes=mixed))

    with pytest.raises(UnsupportedModelError, match="a probe has another vector than on record"):
        encoder.compiled(bfloat16=bfloat16, threads=1)
