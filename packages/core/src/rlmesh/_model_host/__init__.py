"""Serving models: the server, its sessions, and the batches that it makes of their requests."""
