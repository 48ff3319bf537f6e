"""A mail system that keeps a check in a phase of our choice, and a worker that is there to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectHTTPStatusError

from flows.cli.serve import WORKER_SETTINGS
from flows.equip import ROOT
from flows.server import processes
from flows.server.prefect import server_settings
from tasks.mail.config.loop import LoopConfig, loop_config
from tests.prefect.failures.api import Api
from tests.prefect.records import PASSWORD
from tests.support.raw.imap import RawImap
from tests.support.raw.mailbox import Message
from tests.support.raw.server import Line, RawServer
from tests.support.raw.smtp import RawSmtp

PATIENCE = 240.0  # seconds until a worker must have got somewhere, on a busy machine
HOLD = 900.0  # seconds that a check stays in its phase: until the slowest of those killed with it has come to its own
MOST_RUNS = 3  # of a scene, until one comes to its phase
# The command, but that a busy Prefect server may take long to let a check begin, which else is done without it.
PATIENT = f"""
import sys
from flows.cli.main import main
from flows import through_prefect
through_prefect.BEGIN_SECONDS = {PATIENCE}
sys.exit(main())
"""
FOREIGN = b"From: a@raw.test\r\nSubject: [kills] not ours\r\n\r\nhello\r\n"
PHASES = ("connecting", "sending", "retrying", "searching", "waiting", "deleting", "publishing")


class Held(RawServer):
    """Says nothing in the phase `held` until that changes, or the client has gone."""

    held = ""
    reached = False
    open_lines = 0

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        while phase == self.held and not _is_gone(line):
            self.reached = True
            await asyncio.sleep(0.02)
        return await super().reply(line, phase, default, tag)

    async def converse(self, line: Line) -> None:
        self.open_lines += 1
        try:
            await super().converse(line)  # type: ignore[safe-super]  # of the server that this is mixed into
        finally:
            self.open_lines -= 1


class HeldSmtp(Held, RawSmtp):
    """A relay."""


class HeldImap(Held, RawImap):
    """A mailbox."""


def _is_gone(line: Line) -> bool:
    return line.reader.at_eof() or line.reader.exception() is not None


class Scene:
    """A loop of its own, kept in `phase` from its first check on; `api` is what holds it while it publishes."""

    def __init__(self, name: str, phase: str, api: Api) -> None:
        self.name = name
        self.phase = phase
        self.smtp = HeldSmtp(extensions=["8BITMIME"])
        self.imap = HeldImap(messages=[Message(1, FOREIGN)])
        self.api = api
        self.run: FlowRun | None = None
        self.keep()

    def keep(self) -> None:
        """Hold the next check in the phase."""
        self.smtp.deliver = self.imap.append
        match self.phase:
            case "connecting":
                self.smtp.held = "banner"
            case "sending":
                self.smtp.held = "eod"
            case "retrying":
                self.smtp.play("rcpt", [b"450 4.2.0 Greylisted\r\n"])
            case "searching":
                self.imap.held = "examine"
            case "waiting" | "publishing":
                self.smtp.deliver = lambda message: None
            case "deleting":
                self.imap.held = "expunge"

    def let_go(self) -> None:
        """Let this check, and all that follow, through."""
        self.smtp.held = self.imap.held = ""
        self.smtp.deliver = self.imap.append

    def deliver_late(self) -> None:
        """Let the message that is waited for arrive."""
        self.imap.append(self.smtp.messages[0])

    @property
    def is_reached(self) -> bool:
        match self.phase:
            case "retrying":
                return self.smtp.count("RCPT") == 1 and self.is_closed
            case "waiting":
                return self.imap.count("IDLE") > 0
            case "publishing":
                return self.api.reached.is_set()
            case _:
                return self.smtp.reached or self.imap.reached

    @property
    def is_near(self) -> bool:
        """Whether it is in its phase, or in the wait before the one phase that ends by itself, after 20 s."""
        return self.imap.count("IDLE") > 0 if self.phase == "publishing" else self.is_reached

    @property
    def is_closed(self) -> bool:
        """Whether no connection is left, as the mail servers see it."""
        return self.smtp.open_lines == self.imap.open_lines == 0

    @property
    def foreign_is_untouched(self) -> bool:
        (foreign,) = (message for message in self.imap.messages if message.uid == 1)
        return foreign.raw == FOREIGN and not foreign.flags

    def config(self) -> LoopConfig:
        return loop_config(self.parameters())

    def parameters(self) -> dict[str, Any]:
        addresses = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[kills]"}
        # A user of its own: one command checks only a few loops of one mailbox at a time.
        login = {"username": self.name, "password_secret": "sandbox-password"}
        smtp, imap = (
            {"host": end.host, "port": end.port, "tls": "none", "timeout": HOLD} for end in (self.smtp, self.imap)
        )
        return {
            "name": self.name,
            "smtp": {**smtp, **addresses, "retry_delay": HOLD},
            "imap": {**imap, **login},
            "limits": {"max_wait": HOLD},
        }

    async def start(self, deployment: UUID) -> None:
        """Have a worker run a check, which comes to its phase and no further.

        A run that a busy Prefect server ended before it came there is followed by another.
        """
        ended: list[str] = []
        while True:
            await self._make_run(deployment)
            try:
                await until(self._is_decided, f"{self.name} does not come to {self.phase}")
            except AssertionError as error:
                error.add_note(f"{await self._state()}; before it: {ended}")
                raise
            if self.is_reached:
                return
            ended.append(await self._state())
            assert len(ended) < MOST_RUNS, f"{self.name} ends before it comes to {self.phase}: {ended}"
            self.keep()

    async def _make_run(self, deployment: UUID) -> None:
        async with get_client() as client:
            self.run = None
            while self.run is None:
                try:
                    self.run = await client.create_flow_run_from_deployment(deployment, parameters=self.parameters())
                except PrefectHTTPStatusError as error:
                    if error.response.status_code != 503:  # SQLite is busy, and nothing was made
                        raise
                    await asyncio.sleep(0.5)

    async def _is_decided(self) -> bool:
        if not self.is_reached:
            await asyncio.sleep(0.5)
        return self.is_reached or await self.is_final()

    async def _state(self) -> str:
        """What is known of this run, for a failure of the test."""
        return f"{(await self.now()).state!r}; relay: {self.smtp.log[-3:]}; mailbox: {self.imap.log[-3:]}"

    async def now(self) -> FlowRun:
        """The run, as the server has it on record."""
        assert self.run is not None
        async with get_client() as client:
            return await client.read_flow_run(self.run.id)

    async def is_final(self) -> bool:
        state = (await self.now()).state
        return state is not None and state.is_final()

    async def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process of the check, and to no other."""
        await until(self._has_pid, f"the worker does not say what the process of {self.name} is")
        os.kill(int((await self.now()).infrastructure_pid or ""), number)

    async def _has_pid(self) -> bool:
        return (await self.now()).infrastructure_pid is not None

    async def __aenter__(self) -> Self:
        await self.smtp.__aenter__()
        await self.imap.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.let_go()
        await self.imap.__aexit__(*error)
        await self.smtp.__aexit__(*error)


async def until(done: Callable[[], bool | Awaitable[bool]], failure: str) -> None:
    """Wait until `done` says so. Where it asks the Prefect server it does so less often: that is busy enough."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (now if (at_once := isinstance(now := done(), bool)) else await now):
                await asyncio.sleep(0.05 if at_once else 0.5)
    except TimeoutError:
        raise AssertionError(failure) from None


async def find(scenes: Sequence[Scene]) -> None:
    """The runs of these scenes, which somebody else has started; at once, for a check leaves its phase some day."""
    states: dict[str, list[str]] = {}

    async def are_found() -> bool:
        """By their parameters, since a busy server gives a run its name some time later."""
        async with get_client() as client:
            begun = await client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=200)
        for scene in scenes:
            found = [run for run in begun if run.parameters.get("name") == scene.name]
            states[scene.name] = [str(run.state_name) for run in found]
            running = [run for run in found if run.state_type == StateType.RUNNING]
            scene.run = running[0] if len(running) == 1 else None
        return all(scene.run is not None for scene in scenes)

    try:
        await until(are_found, "there is not one running run for each scene")
    except AssertionError as error:
        error.add_note(f"The runs of each: {states}")
        raise


async def deployment_on(pool: str, *, stream_output: bool = False, **options: Any) -> UUID:
    """The staging deployment, once more, on a work pool of its own."""
    async with get_client() as client:
        known = await client.read_deployment_by_name("mail-loop-check/staging")
        mother = await client.read_work_pool(str(known.work_pool_name))
        template = mother.base_job_template | {"job_configuration": {"stream_output": stream_output}}
        await client.create_work_pool(WorkPoolCreate(name=pool, type=mother.type, base_job_template=template))
        return await client.create_deployment(
            known.flow_id,
            name=pool,
            entrypoint=known.entrypoint,
            pull_steps=known.pull_steps,
            work_pool_name=pool,
            parameter_openapi_schema=known.parameter_openapi_schema,
            enforce_parameter_schema=True,
            **options,
        )


@asynccontextmanager
async def command(folder: Path, scenes: Sequence[Scene], api: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`mail-loop check` with the checks of these scenes, all of them in one process, and each come near its phase."""
    for scene in scenes:
        (folder / f"{scene.name}.json").write_text(json.dumps(scene.parameters()), encoding="utf-8")
    argv = [sys.executable, "-c", PATIENT, "check", *(f"{scene.name}.json" for scene in scenes)]
    env = os.environ | {"PREFECT_API_URL": api, "SANDBOX_PASSWORD": PASSWORD, "DO_NOT_TRACK": "1"}
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, cwd=folder, env=env, stdout=quiet, stderr=quiet)
    try:
        for scene in scenes:
            await until(lambda scene=scene: scene.is_near, f"{scene.name} does not come near {scene.phase}")  # type: ignore[misc]
        await find(scenes)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextmanager
def worker(home: Path, port: int, pool: str, **more: str) -> Iterator[processes.Background]:
    """A worker of this pool, in the environment that `mail-loop serve` gives to its own, and `more`."""
    argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", pool]
    extra = {"MAIL_LOOP_HOME": str(ROOT), "SANDBOX_PASSWORD": PASSWORD, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    extra |= WORKER_SETTINGS | {"MAIL_LOOP_SECRETS_ALLOW": str(home / "secrets.allow")} | more
    started = processes.start(home, pool, argv, os.environ | server_settings(home, port) | extra, cwd=home)
    try:
        yield started
    finally:
        processes.stop(home, pool)
