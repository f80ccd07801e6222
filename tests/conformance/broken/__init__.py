"""Broken peers: each is a right one with one change, and names the rule that the change breaks."""
