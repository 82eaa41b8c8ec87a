"""The real parts, each made once, and a company's folder to put through them."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from ingest.encode.chunk import Chunker
from ingest.encode.encoder import Encoder, EncoderSettings
from ingest.encode.models import verified_model_folder
from ingest.parts import Tools
from ingest.read.parse import Parser
from ingest.read.scan import SecretScanner
from tests.integration.folders import write_company
from tests.integration.label_office import Office, office_of
from tests.integration.records import tampering
from tests.integration.world import CountingEncoder, CountingParser, World, world
from tests.plain import plain_tools


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[Encoder]:
    encoder = Encoder(settings=EncoderSettings(bfloat16=True, threads=1))
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
    async with world(tmp_path / "light", plain_tools(), in_memory=True) as made:
        await made.ingest(company)
        yield made


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """The company with the desks of its labels."""
    async with world(tmp_path / "data", plain_tools(), in_memory=True) as made:
        await made.ingest(write_company(tmp_path / "source"))
        yield office_of(made)


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    # Not below pytest's own directory: the server runs as a user who may not enter that.
    folder = tempfile.mkdtemp(prefix="records-pg-")
    with warnings.catch_warnings():
        # On import it warns where no XDG_RUNTIME_DIR is set, which is not this suite's concern.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module("pgserver")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
async def postgres_url(postgres_uri: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    await tampering.server(postgres_uri, f"CREATE DATABASE {name}")
    return postgres_uri.replace("/postgres?", f"/{name}?")
