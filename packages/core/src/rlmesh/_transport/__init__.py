"""Ways for frames to travel. A transport knows no messages."""
