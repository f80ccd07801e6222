"""The TypeScript package: what it needs from npm, its compilation, and its tests."""
