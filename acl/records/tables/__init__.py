"""The tables, their rows as values, and the counters that say how far the records have come."""
