"""Storage: in memory, in a SQLite file, in PostgreSQL. Drivers are loaded when a store is used, not here."""
