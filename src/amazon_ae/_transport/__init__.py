"""What every backend shares: HTTP exchanges, pacing, throttles, retries and the call loop."""
