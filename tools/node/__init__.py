"""Installs, compiles and tests the TypeScript package."""
