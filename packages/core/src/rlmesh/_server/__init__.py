"""Servers: `EnvServer`, `ModelServer` and what both share."""
