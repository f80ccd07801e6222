"""Any environment made one that a session can play, on one thread of its own."""
