"""Clients of environments and models, generic over the backend."""
