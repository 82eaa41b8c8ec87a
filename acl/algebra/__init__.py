"""A rule for all labels at once: where it is true, where it is false, and where it raises."""
