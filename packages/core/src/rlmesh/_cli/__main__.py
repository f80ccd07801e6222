"""Runs the command `rlmesh` as `python -m rlmesh._cli`."""

import sys

from rlmesh._cli.main import main

sys.exit(main())
