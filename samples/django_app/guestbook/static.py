"""Link static files below the mount point of each request."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class MountedStaticFilesStorage(StaticFilesStorage):
    """Put the current request's stage in front of static links.

    Django remembers the prefix of the first request it answers, but one function may be
    called at ``/live/`` on the gateway's own domain and at ``/`` on yours.
    """

    @property
    def base_url(self) -> str:
        """Return the static files' root for the current request."""
        return f"{get_script_prefix()}static/"
