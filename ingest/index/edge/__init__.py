"""The embedded engine: Qdrant's Rust engine in a process of its own."""
