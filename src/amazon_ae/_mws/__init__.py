"""Amazon MWS: the first backend. ``MwsClient`` is its door."""
