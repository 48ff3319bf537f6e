"""Planted faults: which of them the tests find. See `__main__`."""
