"""Everything a host needs to try its own code without Amazon: fakes, a virtual clock, a contract for storages."""
