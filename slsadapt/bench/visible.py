"""Show ``-X importtime`` what ``importlib.import_module`` imports.

The interpreter times import statements only, so that the settings, applications and middleware
that Django names in strings would be missing, and their time be put down to whoever asked. Here
such imports take the way of statements. Runs in the measured process, first of all: it imports
nothing that is not there already.
"""

import _frozen_importlib as bootstrap
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def before_import() -> None:
    """Send imports by name through ``__import__``, with the same outcome."""
    bootstrap._gcd_import = import_named  # type: ignore[attr-defined]


def import_named(name: str, package: "str | None" = None, level: int = 0) -> "ModuleType":
    """Do what ``importlib._bootstrap._gcd_import`` does."""
    if level > 0:
        name = bootstrap._resolve_name(name, package, level)  # type: ignore[attr-defined]
    __import__(name)
    return sys.modules[name]
