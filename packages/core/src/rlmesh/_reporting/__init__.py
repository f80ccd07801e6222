"""Runs for people: text, rich tables, HTML pages, and pandas's frames."""
