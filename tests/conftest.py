"""What tests need that Python cannot install."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.clock import Clock
from tests.support.first_start import FirstStart
from tests.support.servers import LAB_NEEDS, SITUATIONS_NEED, require

settings.register_profile("patient", deadline=None)  # a machine may be as slow as it is
settings.load_profile("patient")

# By fixture: the programs behind it, and how to get them.
NEEDS = {
    "lab": LAB_NEEDS,
    "whole_lab": SITUATIONS_NEED,
    "set_clock": (["faketime"], "faketime is needed: make servers"),
    "promtool": (["promtool"], "Prometheus is needed: make servers"),
    "prometheus": (["prometheus", "promtool"], "Prometheus is needed: make servers"),
    "chromium": (["chromium"], "Chromium is needed: make servers"),
}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported here stays: no look for garbage, and tests ask for many, has to go through it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip before the fixture does: pytest then shows all tests of one reason in one line, not in one each."""
    for fixture in getattr(item, "fixturenames", []):
        if fixture in NEEDS:
            require(*NEEDS[fixture])


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep their turns and budgets to themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """Makes a home one in which a Prefect server has been started before."""
    own = tmp_path_factory.getbasetemp()
    return FirstStart((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "first-start")


@pytest.fixture
def set_clock(tmp_path: Path) -> Clock:
    """A clock that can be set; where faketime is missing the test is skipped before it comes to this."""
    return Clock(tmp_path / "clock")
