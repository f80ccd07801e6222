"""What every test of the repository stands on."""

from __future__ import annotations

import signal

# In the background of a shell Ctrl-C is ignored, and so it would be in the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
