"""How a command runs: its settings, its event loop, its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import typer

from retrieval.service import logs
from retrieval.service.settings import Settings, load_settings


def settings_of_command() -> Settings:
    """Read the settings for a command; its log is for people, and says warnings alone."""
    logs.configure("warning")
    return load_settings()


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end, and exit with its code."""
    raise typer.Exit(asyncio.run(work))
