"""Books Easy Ship pickups order by order, over any backend's three operations: slots, book, booked."""
