"""Integrate a seller's warehouse with Amazon.ae and Amazon Easy Ship."""
