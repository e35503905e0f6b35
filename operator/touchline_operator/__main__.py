"""`python -m touchline_operator`."""

import sys

from touchline_operator.cli import main

sys.exit(main())
