"""What a check costs, and how soon it knows, beside others on one private mail system: see docs/performance.md."""
