"""Runs the command `rlmesh` as `python -m rlmesh`."""

import sys

from rlmesh._cli.main import main

sys.exit(main())
