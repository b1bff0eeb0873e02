"""End a process that takes too long to answer: an observer for ``child.py``.

The limit comes as ``-X slsadapt_limit_s=60``. faulthandler's thread needs neither the interpreter's
lock nor the application's leave, and says where the process hung.
"""

import faulthandler
import sys

_LIMIT_S = float(sys._xoptions["slsadapt_limit_s"])


def before_import() -> None:
    """Count from here until the application has answered, or waits to be asked."""
    faulthandler.dump_traceback_later(_LIMIT_S, exit=True)


def before_events() -> None:
    """Count anew: instances of a warm pool may have waited for long."""
    faulthandler.dump_traceback_later(_LIMIT_S, exit=True)


def report() -> dict[str, str]:
    """Stop counting; there is nothing to report."""
    faulthandler.cancel_dump_traceback_later()
    return {}
