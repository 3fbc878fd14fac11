"""Document sources without a backend: a chain of sources, kept archives, the seller's own packing slip."""
