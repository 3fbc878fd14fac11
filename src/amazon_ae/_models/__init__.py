"""Frozen values in business words. No logic beyond checking themselves."""
