"""Keep what visitors write."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import models


class Entry(models.Model):
    """One visitor's words, perhaps with a file."""

    # The annotations are for the type checker; Django needs none.
    name: models.CharField[str, str] = models.CharField(max_length=80)
    message: models.TextField[str, str] = models.TextField(max_length=2000)
    attachment = models.FileField(blank=True)
    created_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Show the latest first."""

        ordering = ("-created_at", "-pk")
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.name}: {self.message[:40]}"

    def attachment_sha256(self) -> str:
        """Return the hexadecimal digest of the file as it lies on disk."""
        with self.attachment.open() as file:
            return hashlib.sha256(file.read()).hexdigest()
