"""Tell what would go wrong or be slow in a cloud, what it costs, and what to do.

One module a kind of check: ``sources`` reads the application's code, ``contents`` and ``bytecode``
what is shipped, ``requirements`` what is not, and ``running`` watches it answer events.
"""

from .examine import examine, find_events
from .finding import SEVERITIES, Finding, Severity

__all__ = ["SEVERITIES", "Finding", "Severity", "examine", "find_events"]
