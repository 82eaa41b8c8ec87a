"""Reading test collections: documents, questions, judgements, and the measure nDCG@10."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
DEPTH: Final = 10


@dataclass(frozen=True, slots=True)
class Text:
    """One document or question; `tenant` is `""` where a collection has none."""

    id: str
    text: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, questions, and for each question the grade of each relevant document."""

    name: str
    documents: Sequence[Text]
    questions: Sequence[Text]
    relevant: Mapping[str, Mapping[str, float]]


def read(folder: Path) -> Collection:
    """Read a folder with `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`."""
    relevant: dict[str, dict[str, float]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            grade = float(row["score"])
            if grade > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = grade
    questions = [one for one in _texts(folder / "queries.jsonl") if one.id in relevant]
    return Collection(folder.name, list(_texts(folder / "corpus.jsonl")), questions, relevant)


def _texts(path: Path) -> Iterator[Text]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            title, text = entry.get("title", ""), entry["text"]
            whole = text if text.startswith(title) else f"{title}\n\n{text}"
            yield Text(entry["_id"], whole.strip(), entry.get("tenant", ""))


def ndcg(ranking: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return nDCG@10 with gain = grade and a logarithmic discount (Järvelin, Kekäläinen 2002)."""
    gained = _discounted([grades.get(one, 0.0) for one in ranking[:DEPTH]])
    best = _discounted(sorted(grades.values(), reverse=True)[:DEPTH])
    return gained / best if best else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
