"""Documents of record: versions, passages, quarantine, and what the engine must still be told."""
