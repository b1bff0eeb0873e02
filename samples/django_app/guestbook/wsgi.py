"""Expose the WSGI application, which migrates its database before the first request."""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class MigrateFirst:
    """Migrate the database once, before ``app`` answers its first request.

    A new instance starts with an empty temporary directory. Importing touches no database,
    so the platform's limit on start-up time is not spent on it.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app
        self.lock = Lock()
        self.migrated = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The lock holds back requests that arrive while the first one migrates.
        with self.lock:
            if not self.migrated:
                call_command("migrate", interactive=False, verbosity=0)
                self.migrated = True
        return self.app(environ, start_response)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guestbook.settings")
application = MigrateFirst(get_wsgi_application())
