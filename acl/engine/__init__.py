"""Predicate to filter and label to payload: one place, so that writer and reader cannot drift."""
