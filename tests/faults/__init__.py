"""The fault matrix: every fault on every stage of both legs, each with what the check must make of it."""
