"""The declared cases, one module for each area; valid and invalid cases are separate."""
