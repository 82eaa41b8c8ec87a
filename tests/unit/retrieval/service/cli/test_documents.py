from __future__ import annotations

import pytest

from acl.labels import LabelSchema
from ingest.report import IngestReport, KeptOut, RaisedLabel
from retrieval.service.cli.documents import read_flags, report_lines
from retrieval.service.cli.render import Shown, show
from retrieval.service.settings import SettingsError

SCHEMA = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
level = { type = "integer", levels = ["low", "high"] }
readers = { type = "keyword_set" }
number = { type = "integer" }
open = { type = "boolean" }
"""
)


def test_flags_are_read_by_type() -> None:
    given = ["tenant=a=b", "level=high", "readers=user:a, user:b,", "number=-7", "open=TRUE"]
    assert read_flags(given, SCHEMA) == {
        "tenant": "a=b",
        "level": "high",
        "readers": ["user:a", "user:b"],
        "number": -7,
        "open": True,
    }
    # What has another type is left to the schema, which names the fault.
    assert read_flags(["number=x", "open=maybe"], SCHEMA) == {"number": "x", "open": "maybe"}


@pytest.mark.parametrize("given", ["tenant", "colour=red", "=x", ""])
def test_a_flag_that_says_nothing_known(given: str) -> None:
    with pytest.raises(SettingsError, match="write key=value, with one of tenant, level"):
        read_flags([given], SCHEMA)


def test_a_report_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    report = IngestReport(
        added=1,
        quarantined=(KeptOut("file:a", "has no label"),),
        failed=(KeptOut("file:b", "was changed"),),
        raised=(RaisedLabel("file:c", "restricted", ("aws-key",)),),
        vanished=("file:d",),
    )
    show(Shown(report, report_lines(report)), as_json=False)
    text = " ".join(capsys.readouterr().out.split())
    for words in ("file:a", "has no label", "file:b", "raised to restricted", "aws-key", "file:d"):
        assert words in text
    assert "1 added" in text
