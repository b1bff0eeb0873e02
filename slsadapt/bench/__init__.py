"""Measure cold and warm starts, bursts, imports and memory; compare, draw and explain them."""
