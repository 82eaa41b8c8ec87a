"""A search: the guarded filter, the plan, the rank, and the recheck of each hit."""
