"""Import the function, and name what is wrong with it as AWS's runtime for Python does.

Source: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
"""

from __future__ import annotations

import sys

from .failures import FaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["find", "split"]


def split(handler: str) -> tuple[str, str]:
    """Read ``"index.main_handler"``, or ``"shop/index.main_handler"``: (module, name).

    Raises:
        FaultError: it names no module and function.
    """
    module, _, name = handler.rpartition(".")
    if not module or not name:
        raise FaultError(
            "Runtime.MalformedHandlerName", f"Bad handler '{handler}': expected module.name"
        )
    return module.replace("/", "."), name


def find(module_name: str, name: str) -> Any:
    """Import a module and take what is named, perhaps with dots.

    Raises:
        FaultError: there is none, or it cannot be imported.
        Exception: what the module raises.
    """
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise FaultError(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    try:
        __import__(module_name)
        found: Any = sys.modules[module_name]
    except ImportError as error:
        raise FaultError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        raise FaultError(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise FaultError(
            "Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'"
        ) from None
    return found
