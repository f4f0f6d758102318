#!/usr/bin/env -S python3 -I
"""Check that a server of this container answers: `answers URL`. Images have no curl."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=8) as answer:
    sys.exit(answer.status != 200)
