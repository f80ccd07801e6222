"""Recordings of episodes: videos of their images, and their steps as data."""
