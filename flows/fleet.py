"""Hundreds of loops in one Prefect flow run, each as a task run of its own."""

from __future__ import annotations

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from pydantic.json_schema import SkipJsonSchema

from flows.concurrency import PATIENCE, Gates, room_for
from flows.direct import inbound_steps, loop_steps
from tasks import credentials
from tasks.finish import ended, record, tell
from tasks.groups.fleet import fleet_ended, fleet_name
from tasks.groups.summary import Brief
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.plan import Planned
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.errors import CheckSkipped, ConfigError
from tasks.mail.model.result import LoopResult
from tasks.mail.net.limits import Places
from tasks.mail.run_lock import hold_run
from tasks.mail.verdict.result import broken, misconfigured, skipped
from tasks.mail.verdict.unforeseen import unforeseen
from tasks.parameters import FleetLoop, check_flow, fleet_of
from tasks.run_context import this_run, to_its_end
from tasks.signing_key import signing_key
from tasks.states import final_state

AT_ONCE = 20  # more of them would measure each other, for all share one processor
TELLING = 2  # reports on their way to the server at once: more of them would hold up those who still look for mail


@check_flow
async def fleet_check(
    name: str,
    files: list[str] | SkipJsonSchema[None] = None,
    loops: dict[str, FleetLoop] | SkipJsonSchema[None] = None,
    brief: bool = False,
) -> tuple[LoopResult, ...] | State[object]:
    """Check all loops of a fleet at the same time, and show them in one table.

    Each loop is a task run, which ends in a state that is named after its outcome, and leaves the record of a loop. The
    final state is named after the worst of them. An error raises MatrixFailed, whose `results` are those of all loops;
    otherwise they are returned.

    Args:
        name: Name of the fleet, a slug such as sites; its tables line up under mail-loop-fleet-<name>.
        files: Files or folders with the loops, on the machine of the worker.
        loops: The loops, each under its name; instead of files, or in addition to them.
        brief: Task runs and reports only for what is not ok, for which thousands of loops leave room.
    """
    with to_its_end(), credentials.each_once():
        try:
            checks = fleet_of(name, files, loops)
        except ConfigError as error:
            return await ended(misconfigured(fleet_name(name), str(error), this_run(), error.cause))
        gates, telling = Gates(AT_ONCE, PATIENCE, room_for(len(checks))), Places(TELLING, PATIENCE)
        key = await signing_key()
        briefly = Brief() if brief else None
        if briefly is not None:
            briefly.begin([check.config.name for check in checks])

        async def one(check: Planned) -> LoopResult:
            case = Case(check.config, telling, key)
            async with gates.passed(check.config):
                if briefly is None:
                    await check_one(case, return_state=True)  # type: ignore[misc]  # typed as if it were not async
                else:
                    case.result = await _result(check.config, key)
                    async with telling.one():
                        await briefly.tell(case.result, check.config)
            return case.result or broken(case.name, RuntimeError("the task ended without a result"))

        async with together(len(checks)):
            results = await asyncio.gather(*map(one, checks))
        return await fleet_ended(name, checks, results, briefly.plain if briefly is not None else None)


class Case:
    """One check of a fleet, and what came of it. No dataclass: Prefect would take it apart and put it together anew."""

    def __init__(self, config: LoopConfig | InboundConfig, telling: Places, key: bytes) -> None:
        self.name = config.name
        self.config = config
        self.telling = telling
        self.key = key
        self.result: LoopResult | None = None


@task(name="check", task_run_name="{case.name}", cache_policy=NO_CACHE, persist_result=False, retries=0)
async def check_one(case: Case) -> State[object]:
    """Check one loop and record what came of it. Whatever that is, the others go on."""
    result = await _result(case.config, case.key)
    case.result = result
    told_at = tell(result)  # before its turn to be recorded, which may be long in coming
    async with case.telling.one():
        await record(result, case.config, told_at)
    return final_state(result)


async def _result(config: LoopConfig | InboundConfig, key: bytes) -> LoopResult:
    run = this_run()
    try:
        if isinstance(config, InboundConfig):
            config = config.model_copy(update={"imap": await credentials.resolve_imap(config.imap)})
            return await inbound_steps(config, run)
        config = await credentials.resolve(config)
        with hold_run(config) as mine:
            return await loop_steps(mine, key, run)
    except ConfigError as error:
        return misconfigured(config.name, str(error), run, error.cause)
    except CheckSkipped as reason:
        return skipped(config.name, str(reason), run, reason.cause)
    except Exception as error:
        return unforeseen(config, error, run)
