"""The Selling Partner API as a backend, behind the same protocols as `_mws`."""
