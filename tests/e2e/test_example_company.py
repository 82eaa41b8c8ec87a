"""The worked example: its blocks run from top to bottom, and come to what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_readme import ROOT, _clone

PAGE = ROOT / "docs" / "example-company.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ENDS = re.compile(r"^(strongroom .*?) +# ends with exit code (\d)$", re.MULTILINE)

clone = _clone


@pytest.mark.slow
def test_the_example_runs_from_top_to_bottom(clone: Path) -> None:
    blocks = (ENDS.sub(r"\1 || test $? = \2", one) for one in BLOCK.findall(PAGE.read_text()))
    script = "\n".join(["set -eu", *blocks])

    done = subprocess.run(
        ["bash", "-c", script],
        check=False,
        cwd=clone,
        env={
            "PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}",
            "HOME": str(clone.parent),
            "STRONGROOM_POLICY_PROOF_PAIRS": "300",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )

    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    failing = " ".join(done.stderr.split())
    assert "contractors read nothing confidential" in failing
    assert "policy.csv line 3" in failing
    assert "5 of 5 tests hold, 1 of 1 promises are kept" in said
    assert "engine.md" in said
    assert "blades.md" in said
    assert "1 tests of documents or people of record were not run, 1 of 1 promises are kept" in said
    assert "fails:" not in said
    assert "revision 2 is in effect" in said
