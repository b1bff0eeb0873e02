"""Create the superuser ``demo``, password ``demo``, along with a new database.

A migration runs once per database, so a demo user who was deleted stays deleted. For
anything but a demonstration leave this migration out.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def create_demo_user(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the user with the historical model that this migration sees."""
    apps.get_model("auth", "User").objects.create_superuser("demo", password="demo")


class Migration(migrations.Migration):
    """Run after the last migration that shapes users."""

    dependencies = (
        ("entries", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    )
    operations = (migrations.RunPython(create_demo_user, migrations.RunPython.noop),)
