"""Models: a predict callable driven against environments."""
