"""The declared cases, one module an area; valid ones and invalid ones apart."""
