"""Recordings of episodes: films of their frames, and their steps as data."""
