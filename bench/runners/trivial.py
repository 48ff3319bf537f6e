"""Prefect's own price: a flow of as many tasks as a check has, that do nothing."""

from __future__ import annotations

from prefect import flow, task


@task
async def one(name: str) -> str:
    return name


@task
async def other(name: str) -> str:
    return name


@flow
async def two_tasks(name: str) -> str:
    """What a check's flow run would be without the check."""
    return await other(await one(name))
