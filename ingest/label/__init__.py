"""Which label a document gets: from its source, its folder, its file, and from people."""
