"""python -m keras_struct_edge MODEL IMAGE ..."""

import sys

from .cli import main

sys.exit(main())
