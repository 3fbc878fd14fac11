"""Fetching unfulfilled orders continuously."""
