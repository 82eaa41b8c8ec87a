"""How long a push of 5,000 members takes, and what a neighbour's requests take meanwhile.

`python -m bench.group_push [MEMBERS]` starts a service in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Connection, insert

from acl.records.tables.schema import directory_users
from tests.builders import NOW
from tests.provisioning import GROUP, IDP, PATCH, with_idp
from tests.serving import ADA, quiet, running

MEMBERS = 5_000


def serve(folder: str, members: int, pipe: Pipe) -> None:
    """Serve with so many users, and tell where and with which tokens."""
    place = Path(folder)
    with quiet():
        _serve(place, members, pipe)


def _serve(place: Path, members: int, pipe: Pipe) -> None:
    for service in running(place, policy_dir=with_idp(place), directory="scim"):
        ids = [str(uuid.uuid4()) for _ in range(members)]
        names = ["user:ada", *(f"user:u{number}" for number in range(1, members))]
        rows = [_row(*each) for each in zip(ids, names, strict=True)]
        database = service.parts.records.database
        service.run(database.write(Connection.execute, insert(directory_users), rows))
        tokens = service.keys.token(IDP), service.keys.token(ADA)
        pipe.send((service.server.address, ids, *tokens))
        pipe.recv()


def _row(user_id: str, name: str) -> dict[str, Any]:
    said = {"identity": name, "called": name, "name": "", "external_id": "", "display_name": ""}
    when = {"version": 1, "created_at": NOW, "updated_at": NOW}
    return {"id": user_id, "tenant": "acme", "active": 1, **said, **when}


def neighbour(client: httpx2.Client, until: threading.Event) -> list[float]:
    """Return what each request of somebody else took, in ms."""
    took = []
    while not until.is_set():
        begun = time.perf_counter()
        assert client.get("/v1/documents?limit=5").status_code == 200
        took.append((time.perf_counter() - begun) * 1000)
    return took


def measured(name: str, other: httpx2.Client, push: Callable[[], httpx2.Response]) -> None:
    """Print how long a push takes, and the requests of a neighbour meanwhile."""
    until, took = threading.Event(), list[float]()
    thread = threading.Thread(target=lambda: took.extend(neighbour(other, until)))
    thread.start()
    time.sleep(0.3)
    begun = time.perf_counter()
    answer = push()
    seconds = time.perf_counter() - begun
    time.sleep(0.1)
    until.set()
    thread.join()
    assert answer.is_success, answer.text
    worst, half = statistics.quantiles(took, n=100)[98], statistics.median(took)
    print(
        f"{name:<22} {seconds:6.2f} s   neighbour: {len(took)} requests, median {half:.0f} ms, "
        f"p99 {worst:.0f} ms, worst {max(took):.0f} ms"
    )


def main() -> None:
    """Measure."""
    members = int(sys.argv[1]) if len(sys.argv) > 1 else MEMBERS
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.Process(target=serve, args=(folder, members, there))
        process.start()
        address, ids, idp_token, other_token = here.recv()
        made: dict[str, Any] = {"base_url": address, "timeout": 300, "trust_env": False}
        held = [{"value": each} for each in ids]
        group = {"schemas": [GROUP], "displayName": "all"}
        with (
            httpx2.Client(**made, headers={"Authorization": f"Bearer {idp_token}"}) as idp,
            httpx2.Client(**made, headers={"Authorization": f"Bearer {other_token}"}) as other,
        ):
            where = "/scim/v2/Groups"
            measured("nothing", other, lambda: idp.get("/livez"))
            path = f"{where}/{idp.post(where, json=group).json()['id']}"

            def patch(op: str, **more: object) -> httpx2.Response:
                change = {"op": op, "path": "members", **more}
                return idp.patch(path, json={"schemas": [PATCH], "Operations": [change]})

            measured("PATCH add", other, lambda: patch("add", value=held))
            measured("PATCH add one more", other, lambda: patch("add", value=held[:1]))
            measured("PATCH remove by value", other, lambda: patch("remove", value=held[:-1]))
            measured("PUT", other, lambda: idp.put(path, json={**group, "members": held}))
            measured("GET", other, lambda: idp.get(path))
            measured("PATCH replace by none", other, lambda: patch("replace", value=[]))
            measured(
                "POST",
                other,
                lambda: idp.post(where, json={**group, "displayName": "new", "members": held}),
            )
        here.send("done")
        process.join()


if __name__ == "__main__":
    main()
