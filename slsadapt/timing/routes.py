"""Ask the framework for the template of the route that served a request."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["route_of"]


def route_of(environ: dict[str, Any], path: str, request: object = None) -> str | None:
    """Give the route as its framework writes it, below the mount, None where none tells.

    - Flask, or anything that routes by werkzeug's request: ``/users/<int:id>``
    - Starlette, FastAPI: ``/users/{id}``, behind the template of a ``Mount`` around it, or that
      alone where what is mounted has no routes
    - Django, by its URL configuration: ``/users/<int:pk>/``

    Args:
        environ: WSGI's environ or ASGI's scope, as the application left it.
        path: below the mount, percent-decoded.
        request: werkzeug's request, where there was one.
    """
    try:
        if request is not None:
            rule: str | None = getattr(getattr(request, "url_rule", None), "rule", None)
            return rule
        return _django(path) if "wsgi.version" in environ else _starlette(environ, path)
    except Exception:  # an odd application has no route to tell, which is no error
        return None


def _starlette(scope: dict[str, Any], path: str) -> str | None:
    if "router" not in scope:
        return _django(path)
    routes: Any = scope["router"].routes
    mounted = scope.get("root_path", "")
    # A mount adds to root_path what it takes off the path, and leaves what it was.
    taken = len(mounted.removeprefix(scope.get("app_root_path", mounted)))
    template = ""
    while taken > 0:
        mount = next(each for each in routes if _is_mount(each) and each.path_regex.match(path))
        below = f"/{mount.path_regex.match(path)['path']}"
        taken -= len(path) - len(below)
        path, routes, template = below, mount.routes, template + mount.path
    # FastAPI keeps the prefix of an included router beside the route.
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if route is None or _is_mount(route):
        if not routes:
            return template or None  # what is mounted there has no routes, as static files
        # Starlette leaves its routes in the scope from 1.7 on, and FastAPI only its own ones.
        served = [each for each in routes if getattr(each, "endpoint", 0) is scope.get("endpoint")]
        route = next((each for each in served if each.path_regex.match(path)), None)
    own: str | None = getattr(route, "path", None)
    return None if own is None else template + own


def _is_mount(route: object) -> bool:
    return hasattr(route, "routes")


def _django(path: str) -> str | None:
    """Resolve a path once more, since Django leaves nothing behind that tells."""
    urls, conf = sys.modules.get("django.urls"), sys.modules.get("django.conf")
    if urls is None or conf is None or not conf.settings.configured:
        return None
    translation = sys.modules["django.utils.translation"]
    # A path may begin with its language; that of the request is gone with its context.
    language = translation.get_language_from_path(path) or conf.settings.LANGUAGE_CODE
    with translation.override(language):
        return f"/{urls.resolve(path).route}"
