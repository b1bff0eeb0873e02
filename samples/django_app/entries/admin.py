"""Let staff moderate the guestbook."""

from __future__ import annotations

from django.contrib import admin

from .models import Entry

admin.site.register(Entry, list_display=["name", "message", "attachment", "created_at"])
