"""Requests and replies of sessions as dataclasses and named tuples, without protobuf."""
