"""Sessions without I/O: order, exactly-once answers and the handshake, on both sides."""
