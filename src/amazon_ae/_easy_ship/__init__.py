"""Booking Easy Ship pickups order by order, whatever backend carries the three verbs: slots, book, booked."""
