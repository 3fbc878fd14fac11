"""Shared by every backend: HTTP exchange, pacing, throttle table, retries and the call loop. It knows no XML and no
marketplace API.
"""
