"""One program a peer, of the protocol in `program`, in the virtual environment of that peer."""
