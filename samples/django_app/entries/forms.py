"""Ask visitors for an entry."""

from __future__ import annotations

from django.forms import modelform_factory

from .models import Entry

EntryForm = modelform_factory(Entry, fields=["name", "message", "attachment"])
