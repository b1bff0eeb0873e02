"""Give requests their IDs in Flask.

>>> RequestID(app, trust=["X-Request-ID"])

A bare werkzeug application takes ``slsadapt.middleware.wsgi.RequestIDMiddleware`` itself.
"""

from __future__ import annotations

from .wsgi import RequestIDMiddleware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RequestID"]


class RequestID:
    """A Flask extension: the middleware around ``app.wsgi_app``.

    Args:
        app: a Flask application, or None for ``init_app`` to come later.
        options: as ``RequestIDs`` takes them: ``trust``, ``header``, ``generate``.
    """

    def __init__(self, app: Any = None, **options: Any) -> None:
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Any) -> None:
        """Give an application's requests IDs; once, however often called."""
        if "slsadapt_request_id" not in app.extensions:
            app.extensions["slsadapt_request_id"] = self
            app.wsgi_app = RequestIDMiddleware(app.wsgi_app, **self._options)
