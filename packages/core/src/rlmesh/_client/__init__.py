"""Clients of environments, generic over the backend."""
