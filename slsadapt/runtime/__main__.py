"""``python -m slsadapt.runtime [index.main_handler]``: a bootstrap for a custom runtime of Lambda.

==============================  ===============================================================
variable                        meaning
==============================  ===============================================================
``AWS_LAMBDA_RUNTIME_API``      host and port to ask for invocations
``_HANDLER``                    the handler, where no argument names it
``LAMBDA_TASK_ROOT``            the function's folder, the working directory where it is not set
``AWS_LAMBDA_MAX_CONCURRENCY``  how many invocations to serve at once, each in a thread
==============================  ===============================================================
"""

from __future__ import annotations

import os
import sys

from . import root_logger, streams, target
from .context import LambdaContext
from .failures import log_line
from .loop import Loop
from .results import read_event, write_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .client import Invocation

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Serve a Runtime API until it is gone; give the exit status."""
    environ = os.environ
    name = arguments[0] if arguments else environ.get("_HANDLER", "")
    address = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not name or not address:
        sys.stderr.write(
            "slsadapt.runtime: name the handler, as an argument or in _HANDLER, and the Runtime "
            "API in AWS_LAMBDA_RUNTIME_API, host:port\n"
        )
        return 2
    streams.set_up()
    loop = Loop(address, lambda described: sys.stdout.write(f"{log_line(described)}\n"))
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the folder in which ``python -m`` was called
    sys.path.insert(0, environ.get("LAMBDA_TASK_ROOT") or os.path.realpath("."))
    root_logger.set_up()
    function: Any = loop.load(lambda: target.find(*target.split(name)))

    def answer(invocation: Invocation) -> tuple[bytes, str]:
        content_type = invocation.headers.get("content-type", "application/json")
        context = LambdaContext(invocation)
        return write_result(function(read_event(invocation.payload, content_type), context))

    concurrency = int(environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 1)
    return loop.run(answer, concurrency=concurrency, pre_stop=getattr(function, "pre_stop", None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
