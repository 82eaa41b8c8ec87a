"""Policy sets in a folder, compiled and asked of every engine, against Casbin's `enforce`.

Run it as `python -m tests.conformance.casbin FOLDER`. A folder holds `MANIFEST.json` and one
directory for each set with `model.conf` and `policy.csv`.
"""
