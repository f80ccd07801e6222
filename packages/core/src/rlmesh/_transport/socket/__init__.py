"""Sessions over frames: length-prefixed messages on a Unix socket or TCP."""
