"""Package an application so that it starts fast, and tell what would make it start slowly."""
