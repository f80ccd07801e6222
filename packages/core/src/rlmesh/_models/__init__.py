"""Models: predict callables that act in environments."""
