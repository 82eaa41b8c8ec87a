"""Seeded faults: the compiler broken on purpose, and the checks that must notice."""
