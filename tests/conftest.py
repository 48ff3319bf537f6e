"""What tests need that Python cannot install."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests.support.checks.sample import SEED, long_ones
from tests.support.clock import Clock
from tests.support.first_start import FirstStart
from tests.support.servers import LAB_NEEDS, REMEDY, SITUATIONS_NEED, WHOLE_SUITE_NEEDS, missing_of, require

settings.register_profile("patient", deadline=None)  # a machine may be as slow as it is
settings.load_profile("patient")

TESTS = Path(__file__).parent

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


# They wait for longest, and so begin first.
LONGEST = (
    "tests/prefect/failures/test_kills.py",
    "tests/prefect/observability/test_alerts.py",
    "tests/cli/test_check.py",
    "tests/raw/imap/test_profiles.py",
    "tests/raw/test_clocks.py",
    "tests/servers/test_acceptance_finding.py",
    "tests/cli/trouble/test_output.py",
    "tests/cli/trouble/test_prefect_servers.py",
    "tests/cli/test_malformed.py",
)
# So many workers of pytest-xdist have a Prefect server: more would only be slow together, and what is slow may fail.
MOST_PREFECTS = 3
WITH_PREFECT = "tests/prefect/"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, and of those marked `long` a sample, unless they were named; all others in their order."""
    if SEED and not any("::" in argument for argument in config.args):
        scenes = {item: scene_of(item) for item in items if item.get_closest_marker("long")}
        chosen = long_ones([*scenes.values()])
        config.hook.pytest_deselected(items=[item for item in items if scenes.get(item, "") not in {"", *chosen}])
        items[:] = [item for item in items if scenes.get(item) in {None, *chosen}]
    order = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


def scene_of(item: pytest.Item) -> str:
    """What is in a sample as a whole or not at all: what its mark names, such as the file, or else the test itself."""
    mark = item.get_closest_marker("long")
    assert mark is not None
    return str(mark.args[0]) if mark.args else item.nodeid


class FewPrefects(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """File by file: those with a Prefect server to a few workers, the others to the others, as long as there are."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        ours = int(node.gateway.id.removeprefix("gw")) < MOST_PREFECTS
        if (file := next((one for one in self.workqueue if one.startswith(WITH_PREFECT) == ours), None)) is not None:
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FewPrefects | None:
    """What --dist loadfile stands for here."""
    return FewPrefects(config, log) if config.getoption("dist") == "loadfile" else None


# Folders with slow tests. On a machine without mail servers, which cannot run them all, they run if they are named.
SLOW = ("cli", "deploy", "diagnosis", "faults", "prefect", "servers")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip before the fixture does: pytest then shows all tests of one reason in one line, not in one each."""
    if is_left_out(item.path, item.config):
        pytest.skip(f"slow, and not all of its folder could run here: {REMEDY}, or name the folder")
    for fixture in getattr(item, "fixturenames", []):
        if fixture in NEEDS:
            require(*NEEDS[fixture])


def is_left_out(path: Path, config: pytest.Config) -> bool:
    """Whether a test is of a slow folder that was not asked for, on a machine without mail servers."""
    if os.environ.get("REQUIRE_SERVERS") == "1" or not missing_of(*LAB_NEEDS[0]):
        return False
    slow = next((TESTS / name for name in SLOW if path.is_relative_to(TESTS / name)), None)
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return slow is not None and not any(one.is_relative_to(slow) for one in named)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line about all that was left out for want of servers."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if REMEDY in str(one.longrepr)]
    if skipped:
        folders = ", ".join(sorted({"/".join(one.nodeid.split("/")[:2]) for one in skipped}))
        programs = ", ".join(missing_of(*WHOLE_SUITE_NEEDS))
        terminalreporter.write_line(f"{len(skipped)} tests of {folders} were skipped, for want of {programs}: {REMEDY}")


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
