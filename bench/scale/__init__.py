"""A fleet on Prefect's own engine: a server on PostgreSQL and two workers, one of which is killed: docs/scaling.md."""

from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"
