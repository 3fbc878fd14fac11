"""Frozen values in business words. Their only logic is validation."""
