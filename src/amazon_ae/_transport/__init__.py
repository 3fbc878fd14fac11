"""Shared by every backend: HTTP exchange, pacing, throttle table, retries and the call loop. No XML, no MWS in here."""
