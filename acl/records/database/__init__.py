"""The connection to SQLite or PostgreSQL, its errors, and what can be stored."""
