"""Request IDs, with the adapter or without, the deadline guard and the profiler's switch."""
