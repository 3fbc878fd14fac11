"""Seller Central through a browser: sign in, fetch the documents of an order, verify them."""
