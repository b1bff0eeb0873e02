"""Create the table of entries."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Written by ``makemigrations``."""

    initial = True
    operations = (
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("message", models.TextField(max_length=2000)),
                ("attachment", models.FileField(blank=True, upload_to="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "entries",
                "ordering": ("-created_at", "-pk"),
            },
        ),
    )
