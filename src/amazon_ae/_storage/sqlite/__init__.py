"""Storage on SQLite."""
