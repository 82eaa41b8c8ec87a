"""`make bench`: every bench after the other. `make eval` measures the quality of answers."""

from __future__ import annotations

import subprocess
import sys

BENCHES = (
    "bench.compile",
    "bench.proof",
    "bench.preview",
    "bench.delegation",
    "bench.encoder",
    "bench.engine",
    "bench.trace",
    "bench.recall",
    "bench.changes",
    "bench.relabel",
)

for name in BENCHES:
    print(f"== {name}", flush=True)
    subprocess.run([sys.executable, "-m", name], check=True)
