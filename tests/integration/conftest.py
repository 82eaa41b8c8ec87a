"""The real parts, each made once, and a company's folder to put through them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ingest.chunk import Chunker
from ingest.encode import Encoder, EncoderSettings
from ingest.models import verified_model_folder
from ingest.parse import Parser
from ingest.parts import Tools
from ingest.scan import SecretScanner
from tests.integration.folders import write_company
from tests.integration.world import CountingEncoder, CountingParser, World, world
from tests.plain import plain_tools


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[Encoder]:
    encoder = Encoder(settings=EncoderSettings(bfloat16=True, passage_threads=1))
    await encoder.load()
    yield encoder
    await encoder.close()


@pytest.fixture(scope="session")
def scanner() -> SecretScanner:
    return SecretScanner()


@pytest.fixture(scope="session")
def chunker() -> Chunker:
    return Chunker.from_folder(verified_model_folder())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def child() -> AsyncIterator[Parser]:
    made = Parser()
    yield made
    await made.close()


@pytest.fixture
def parser(child: Parser) -> CountingParser:
    return CountingParser(child)


@pytest.fixture
def encoder(model: Encoder) -> CountingEncoder:
    return CountingEncoder(model)


@pytest.fixture
def tools(
    parser: CountingParser, encoder: CountingEncoder, scanner: SecretScanner, chunker: Chunker
) -> Tools:
    return Tools(parser=parser, scanner=scanner, chunker=chunker, encoder=encoder, model="minilm@1")


@pytest_asyncio.fixture(loop_scope="session")
async def installed(tmp_path: Path, tools: Tools) -> AsyncIterator[World]:
    async with world(tmp_path / "data", tools) as made:
        yield made


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A folder with two tenants, in which everybody may read something and nobody everything."""
    return write_company(tmp_path / "company")


@pytest_asyncio.fixture(loop_scope="session")
async def stocked(installed: World, company: Path) -> World:
    await installed.ingest(company)
    return installed


@pytest_asyncio.fixture(loop_scope="session")
async def light(tmp_path: Path, company: Path) -> AsyncIterator[World]:
    """The same company through plain tools, for tests that are about who may do what."""
    async with world(tmp_path / "light", plain_tools()) as made:
        await made.ingest(company)
        yield made
