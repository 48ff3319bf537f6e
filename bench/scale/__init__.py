"""A fleet on Prefect's own engine: a server on PostgreSQL and two workers, one of which is killed: docs/scaling.md."""
