"""`python -m rlmesh` is the command `rlmesh`."""

import sys

from rlmesh._cli.main import main

sys.exit(main())
