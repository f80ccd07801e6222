"""Sessions over gRPC: the reference transport."""
