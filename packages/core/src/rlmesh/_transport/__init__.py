"""Ways for frames to travel. A transport knows no messages."""

import os

# gRPC's handlers for fork() make about one child in ten crash while its threads run (measured with
# grpcio 1.85). A child of an environment or of a model never uses our connections, so it needs none
# of them. This has to stand before gRPC is initialised.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# gRPC writes its own lines to stderr, before the error that has the same reason in our words: of an
# address in use, or a certificate that cannot be read. GRPC_VERBOSITY=ERROR shows them again.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
