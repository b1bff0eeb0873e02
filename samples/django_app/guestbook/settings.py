"""Configure the guestbook for a cloud function.

Source: https://docs.djangoproject.com/en/stable/ref/settings/
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# A fallback for development. Set DJANGO_SECRET_KEY where the function runs: every instance
# must sign sessions with the same key, and nobody else may know it.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for development only")
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"

# The gateway calls the function only for the domains bound to it, so any Host is one of ours.
ALLOWED_HOSTS = ["*"]

# Neither SECURE_PROXY_SSL_HEADER nor CSRF_TRUSTED_ORIGINS is needed: the adapter fills
# wsgi.url_scheme from the gateway's own word, so Django sees https and the public host.

INSTALLED_APPS = [
    "entries",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    # First, so that all others log with the request's ID, on any server.
    "slsadapt.middleware.django.RequestIDMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "guestbook.urls"
WSGI_APPLICATION = "guestbook.wsgi.application"

# Functions may write below the system's temporary directory only, and every instance has its
# own. Keep what must last in a database server and an object store.
DATA_DIR = Path(os.environ.get("GUESTBOOK_DIR") or Path(tempfile.gettempdir(), "guestbook"))
DATA_DIR.mkdir(parents=True, exist_ok=True)
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MEDIA_ROOT = DATA_DIR / "media"

TIME_ZONE = "UTC"

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "guestbook.static.MountedStaticFilesStorage"},
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# With DEBUG off Django would mail errors; a function's log is its standard error. Each line
# carries the request's ID and, once somebody has logged in, who it is.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "prefix": {"()": "slsadapt.logs.LogPrefixFilter", "prefix": "[{request_id}][{user}]"}
    },
    "formatters": {"text": {"()": "slsadapt.logs.TextFormatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["prefix"],
            "formatter": "text",
        }
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
