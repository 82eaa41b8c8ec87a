"""A small company's folder, written by the test that reads it."""

from __future__ import annotations

from pathlib import Path

# Assembled, so that this file itself holds nothing that looks like a key.
SECRET = "ghp_" + "1B4a9c8D7e6F5g4H3i2J1k0L9m8N7o6P5q4R"

LABELS = {
    "acme": 'tenant = "acme"\ncompartments = []\nreaders = []',
    "acme/finance": 'owner = "group:finance"\nclassification = "confidential"\n'
    'compartments = ["finance"]\nreaders = ["group:finance"]',
    "acme/engineering": 'owner = "group:engineering"\nclassification = "internal"',
    "acme/board": 'owner = "user:leo"\nclassification = "restricted"\ncompartments = ["board"]',
    "acme/handbook": 'owner = "group:hr"\nclassification = "public"\nreaders = ["group:everyone"]',
    "globex": 'tenant = "globex"\ncompartments = []\nreaders = ["group:everyone"]\n'
    'owner = "user:gus"\nclassification = "internal"',
}

FILES = {
    "acme/finance/forecast.md": "# Forecast\n\nThe forecast for the third quarter is seven "
    "million, of which project Falcon takes two.\n",
    "acme/finance/cash.txt": "The cash position at the end of October was four million.\n",
    "acme/engineering/valve.html": "<html><head><title>Valve</title></head><body><p>The Kestrel "
    "valve of project Falcon holds forty bar.</p></body></html>",
    "acme/engineering/brief.md": "---\nlabel:\n  classification: confidential\n"
    "  compartments: [falcon]\n---\n# Falcon design brief\n\nProject Falcon recovers heat.\n",
    "acme/engineering/thread.eml": "From: ada@acme.example\nTo: bob@acme.example\n"
    "Subject: Falcon supplier\n\nThe supplier of project Falcon is late by two weeks.\n",
    "acme/board/minutes.md": "# Minutes\n\nThe board approved project Falcon and its budget.\n",
    "acme/handbook/travel.md": "# Travel\n\nTrips for project Falcon are booked a week ahead.\n",
    "globex/falcon.txt": "Globex has a project Falcon of its own, and a budget for it.\n",
}


def write_company(root: Path) -> Path:
    """Write the folder and return it."""
    for folder, label in LABELS.items():
        write(root, f"{folder}/_label.toml", f"[label]\n{label}\n")
    for name, text in FILES.items():
        write(root, name, text)
    return root


def write(root: Path, name: str, text: str) -> Path:
    """Write one file below `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
