"""Policy revisions of record: numbered, never edited, in effect one at a time."""
