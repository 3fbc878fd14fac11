"""Sources of documents that need no backend of their own: several in one, kept archives, the own packing slip."""
