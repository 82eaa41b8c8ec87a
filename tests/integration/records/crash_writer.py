"""A process that writes and says what was acknowledged, until it is killed.

Each line on its output is one acknowledgement, written after the records answered.
"""

from __future__ import annotations

import asyncio
import os
import sys

from acl.records import AuditKind, Records
from tests.builders import KEY, NOW, document_id, event, label, version


def acknowledge(*facts: object) -> None:
    os.write(1, (" ".join(map(str, facts)) + "\n").encode())


async def write(url: str, seed: int) -> None:
    records = await Records.open(url, KEY)
    await records.documents.abandon_pending(now=NOW)
    number = seed
    while True:
        number += 1
        uri = f"file:{number % 7}"
        mine = document_id(uri)
        texts = [f"{number}/{part}" for part in range(number % 5 + 1)]
        begun = await records.documents.begin_version(version(uri, *texts), now=NOW)
        acknowledge("begun", mine, begun.version)
        live = await records.documents.commit_version(begun, event(AuditKind.INGEST))
        acknowledge("live", mine, live.live_version, number)
        if number % 3 == 0:
            answer = await records.documents.relabel(
                mine,
                label(owner=f"user:u{number}"),
                expected_label_version=live.label_version,
                event=event(AuditKind.RELABEL),
            )
            acknowledge("relabelled", mine, answer, f"user:u{number}")
        if number % 5 == 0:
            await records.documents.delete_document(mine, event(AuditKind.DELETE))
            acknowledge("deleted", mine)
        entries = await asyncio.gather(*(records.audit.append(event()) for _ in range(3)))
        acknowledge("audited", entries[-1].seq)


asyncio.run(write(sys.argv[1], int(sys.argv[2])))
