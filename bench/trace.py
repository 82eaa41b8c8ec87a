"""The road of one search: which files it enters, and how often it comes back to one.

`python -m bench.trace` sends one `POST /v1/search` through the whole service, from the token to the
answer, over real records, engine and model in a temporary folder, and then the same once more. It
prints the files of the product in the order in which the search first enters them, and two numbers
that a reader feels:

- files: how many files of `acl`, `ingest` and `retrieval` a function is called in.
- returns: how often a call leads into another file than the call before it, and that file was
  entered earlier. A road that runs through each file once has none.

A function counts when it is called; a coroutine or generator that goes on is not called again.
The policy was read when the service was opened. The first search compiles it for the asker; the
second, as most do, finds the decision kept. The engine's own process is not on the road.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx2

from bench.installation import ASKER, POLICY, Bench, Noise
from retrieval.service import logs
from retrieval.service.app import create_app
from retrieval.service.http.issuers import development_issuer, verifier
from retrieval.service.settings import Settings, load_settings
from retrieval.service.wiring import open_parts

ROOT: Final = Path(__file__).parents[1]
PRODUCT: Final = tuple(f"{ROOT / name}/" for name in ("acl", "ingest", "retrieval"))
QUESTION: Final = {"query": "What is the hotel limit?", "top_k": 3}


class Road:
    """Calls of product functions, file by file."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._frames: set[FrameType] = set()
        self._going = False

    def __str__(self) -> str:
        return f"{len(self.entered)} files, {self.returns} returns"

    @property
    def entered(self) -> list[str]:
        """The files in the order of their first call."""
        return list(dict.fromkeys(self.files))

    @property
    def returns(self) -> int:
        """How often a call led back into a file that was left before."""
        seen, last, count = set[str](), "", 0
        for file in self.files:
            count += file != last and file in seen
            seen.add(file)
            last = file
        return count

    @contextmanager
    def walked(self) -> Iterator[None]:
        """Note every call of a product function that is made inside."""
        self._going = True
        try:
            yield
        finally:
            self._going = False

    def called(self, frame: FrameType, event: str) -> None:
        """Note one event of the interpreter."""
        file = frame.f_code.co_filename
        if not self._going or event != "call" or not file.startswith(PRODUCT):
            return
        # A comprehension is no step of its own; a frame that is known goes on.
        if frame.f_code.co_name.startswith("<") or frame in self._frames:
            return
        self._frames.add(frame)
        self.files.append(str(Path(file).relative_to(ROOT)))


async def walk(roads: Sequence[Road], settings: Settings) -> None:
    """Search once for each road, and note it."""
    async with open_parts(settings) as parts:
        await Bench(parts.stores, parts.searcher, parts.labels, Noise()).put("hotel", 5)
        await parts.encoder.load()
        app = create_app(parts, verifier(settings, parts.schema))
        token = development_issuer(settings).issue(ASKER, seconds=60)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            headers = {"Authorization": f"Bearer {token}"}
            # Routes are compiled and libraries imported when they are first needed.
            await client.get("/livez")
            for road in roads:
                with road.walked():
                    answer = await client.post("/v1/search", json=QUESTION, headers=headers)
                assert answer.json()["hits"], answer.text


def main() -> None:
    """Print the road of the first search, and how long both are."""
    first, second = roads = (Road(), Road())

    def called(frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - the interpreter's
        for road in roads:
            road.called(frame, event)

    # In this thread, and in each that is begun from now on.
    threading.setprofile(called)
    sys.setprofile(called)
    logs.configure("warning")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        given: dict[str, Any] = {"mode": "development", "policy_dir": POLICY, "data_dir": data}
        asyncio.run(walk(roads, load_settings({}, **given)))
    sys.setprofile(None)
    for place, file in enumerate(first.entered, start=1):
        print(f"{place:3} {file}{'' if file in second.entered else ' (first search alone)'}")
    print(f"first search of an asker: {first}; the next one: {second}")


if __name__ == "__main__":
    main()
