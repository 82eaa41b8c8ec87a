"""What README and docs tell a newcomer to type: it runs as written, in a copy of a fresh clone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from retrieval.service.cli import main
from tests.commandline import free_port
from tests.scanning import compiled_rules

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?:sh|bash)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
READY = (
    "strongroom serve & SERVER=$!; "
    "until curl -sf http://127.0.0.1:8020/readyz > /dev/null; do sleep 0.5; done"
)


def commands(document: Path) -> list[str]:
    """Return the commands in the blocks of a document, one a line, without the comments."""
    lines = "".join(BLOCK.findall(document.read_text())).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(name="clone")
def _clone(tmp_path: Path) -> Path:
    clone = tmp_path / "strongroom"
    clone.mkdir()
    for name in ("acl", "ingest", "retrieval", "policy", "examples", "docs"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    compiled_rules(clone / "data")
    program = tmp_path / "bin" / "strongroom"
    program.parent.mkdir()
    python = f"PYTHONPATH={clone} {sys.executable} -P -m retrieval.service"
    program.write_text(f'#!/bin/sh\nexec env {python} "$@"\n')
    program.chmod(0o700)
    return clone


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_blocks_of_the_readme_run_from_top_to_bottom(clone: Path) -> None:
    told = [
        line
        for line in commands(ROOT / "README.md")
        if not line.startswith("make ") and "pip install" not in line
    ]
    assert sum(line.startswith("strongroom ") for line in told) > 8
    port = free_port()
    lines = [READY if line.startswith("strongroom serve") else line for line in told]
    script = "\n".join(["set -eux", *lines, "kill -INT $SERVER", "wait $SERVER"])

    done = subprocess.run(
        ["bash", "-c", script.replace("8020", str(port))],
        check=False,
        cwd=clone,
        env={
            "PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}",
            "HOME": str(clone.parent),
            "STRONGROOM_PORT": str(port),
            "STRONGROOM_POLICY_PROOF_PAIRS": "300",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"hits":[{' in done.stdout
    assert "another tenant" in done.stdout


def parsed(arguments: list[str]) -> None:
    """Parse a command line as the program does, without doing what it says."""
    command: Any = typer.main.get_command(main.app)
    name, context = "strongroom", None
    while True:
        context = command.make_context(name, arguments, parent=context)
        command = context.command
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "resolve_command"):
            return
        name, command, arguments = command.resolve_command(context, rest)


@pytest.mark.parametrize(
    "line",
    [
        line
        for path in sorted((ROOT / "docs").glob("*.md"))
        for line in commands(path)
        if line.startswith("strongroom ")
    ],
)
def test_the_commands_of_the_docs_are_those_of_the_program(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0], comments=True)

    parsed(words[1:])


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option: --nope"):
        parsed(["label", "show", "x", "--nope"])
