"""One program for each peer, with the protocol of `program`, in that peer's environment."""
