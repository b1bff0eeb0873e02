"""Set Django up for the tests, which use a database of their own, in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.test import utils

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guestbook.settings")
# Passwords of tests are no secrets, and the real way takes half a second for each.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
django.setup()


@pytest.fixture(scope="session", autouse=True)
def _databases() -> Iterator[None]:
    """Do as ``manage.py test`` does around all tests."""
    utils.setup_test_environment()
    databases = utils.setup_databases(verbosity=0, interactive=False)
    yield
    utils.teardown_databases(databases, verbosity=0)
    utils.teardown_test_environment()
