"""Answer events with a sample's handler: one JSON line in, one JSON line out.

``python host.py samples/flask_app`` puts the sample's own folder first on ``sys.path``, as
clouds do.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from types import SimpleNamespace


def main(folder: str) -> None:
    """Serve standard input until it ends."""
    # What the application prints must not mix with the results.
    with os.fdopen(os.dup(1), "w") as results:
        os.dup2(2, 1)
        sys.path[0] = folder
        handle = importlib.import_module("index").main_handler
        for line in sys.stdin:
            result = handle(json.loads(line), SimpleNamespace())
            print(json.dumps(result), file=results, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
