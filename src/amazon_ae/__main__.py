"""``python -m amazon_ae``: the command line."""

import sys

from amazon_ae._cli import main

sys.exit(main())
