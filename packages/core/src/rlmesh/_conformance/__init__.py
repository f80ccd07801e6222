"""The conformance kit: checks of servers and clients against the rules of CONTRACT.md.

The kit has a peer of its own, which sends and reads the generated messages over frames and gRPC. It
uses none of the sessions and codecs of the SDK, because a fault that both had would be invisible.
"""
