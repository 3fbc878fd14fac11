"""Seller Central through a browser: sign in, fetch the papers of an order, verify them."""
