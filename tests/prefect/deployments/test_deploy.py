"""`mail-loop deploy` on a real Prefect server: what the files say is what is there, and nothing else is touched."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.filters import EventFilter, EventNameFilter, EventOrder, EventResourceFilter
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.alerts.apply import begin_anew
from flows.deploy.apply import deploy_checks
from flows.deploy.plan import DESCRIPTION_MARK
from flows.deploy.prefect_yaml import read_template
from flows.equip import ROOT
from tasks.alert_store import RULES_VARIABLE, WATCHED, resource, watched, write_variable
from tasks.alerts.rules import ALLOWED
from tasks.mail.config.fleet import anchor
from tasks.mail.config.loading.files import all_planned
from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.model.errors import ConfigError
from tasks.parameters import fleet_of
from tasks.run_context import place_tag
from tests.prefect.records import SOCKETS_LEFT_OPEN, places_of

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

CANARY = "canary-of-a-fleet"
PREFECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = {
    "every": "5m",
    "tags": ["prod"],
    "smtp": {
        "host": "a.test",
        "username": "u",
        "password_secret": "relay",
        "from_addr": "a@b.test",
        "subject_prefix": "[x]",
    },
    "imap": {"host": "m.test", "password_secret": "mailbox"},
}


def loop(user: str) -> dict[str, Any]:
    return {"smtp": {"to_addr": f"{user}@b.test"}, "imap": {"username": user}}


class Ground:
    """A fleet of its own in a file, and what is there of it on the server."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    def write(self, loops: dict[str, Any], **defaults: Any) -> None:
        data = {"defaults": DEFAULTS | defaults, "loops": {f"{self.name}-{key}": one for key, one in loops.items()}}
        (self.folder / "loops.json").write_text(json.dumps(data), encoding="utf-8")

    async def deploy(self, *, dry_run: bool = False, fleet: str | None = None, shards: int | None = None) -> list[str]:
        """What is said, with the names of the loops as they were given to write()."""
        said: list[str] = []
        common = read_template(ROOT / "prefect.yaml")
        checks = all_planned([self.folder])
        changed = await deploy_checks(
            checks, "15m", fleet or self.name, common, said.append, shards=shards, dry_run=dry_run
        )
        await begin_anew(changed)
        return [text.replace(f"{self.name}-", "").replace(f"fleet {self.name}", "fleet") for text in said]

    async def there(self, loop: str, flow: str = "mail-loop-check") -> DeploymentResponse:
        async with get_client() as client:
            return await client.read_deployment_by_name(f"{flow}/{self.name}-{loop}")


@pytest.fixture
async def ground(server: str, tmp_path: Path, name: str) -> AsyncIterator[Ground]:
    made = Ground(tmp_path, name[:40].strip("-"))
    async with get_client() as client:
        with contextlib.suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name="mail-loop", type="process"))
        yield made
        for one in await client.read_deployments():
            if one.name.startswith(made.name):  # else their runs would be late for ever
                await client.delete_deployment(one.id)


async def test_a_loop_becomes_a_deployment_with_what_prefect_yaml_says_of_all(ground: Ground) -> None:
    app = {"provider": "microsoft365", "tenant": "t.test", "client_id": "app", "refresh_token_secret": "refresh"}
    ground.write({"office": loop("o") | {"bounce_mailbox": {"host": "m.test", "username": "b", "oauth": app}}})
    assert await ground.deploy() == [
        "created: mail-loop-check/office: every 5 minutes",
        "fleet: 1 deployment, 1 created",
    ]
    made = await ground.there("office")
    (planned,) = all_planned([ground.folder])
    assert isinstance(planned.config, LoopConfig)
    assert loop_config(made.parameters) == planned.config
    pool, one = PREFECT["definitions"]["pool"], PREFECT["definitions"]["one_at_a_time"]
    assert (made.work_pool_name, made.work_queue_name) == (pool["name"], pool["work_queue_name"])
    assert made.job_variables == pool["job_variables"]
    assert made.pull_steps == PREFECT["pull"]
    assert made.global_concurrency_limit is not None
    assert made.global_concurrency_limit.limit == one["limit"] == 1
    assert made.concurrency_options is not None
    assert made.concurrency_options.collision_strategy == one["collision_strategy"] == "CANCEL_NEW"
    assert made.concurrency_options.grace_period_seconds == one["grace_period_seconds"]
    assert made.enforce_parameter_schema
    assert made.entrypoint == "flows/mail_loop.py:mail_loop_check"
    assert {"mail-loop", "prod"} < set(made.tags)
    (schedule,) = made.schedules
    assert isinstance(schedule.schedule, IntervalSchedule)
    assert schedule.schedule.interval == timedelta(minutes=5)
    due = datetime.fromtimestamp(schedule.schedule.anchor_date.timestamp(), UTC)
    assert due == anchor(made.name, timedelta(minutes=5))
    assert schedule.active


def next_due(made: DeploymentResponse) -> datetime:
    """When its one schedule starts a run next."""
    schedule = made.schedules[0].schedule
    assert isinstance(schedule, IntervalSchedule)
    anchored = datetime.fromtimestamp(schedule.anchor_date.timestamp(), UTC)
    return anchored + (1 + (datetime.now(UTC) - anchored) // schedule.interval) * schedule.interval


async def test_a_loop_that_is_new_or_due_more_rarely_may_be_silent_for_as_long_as_its_schedule_says(
    ground: Ground,
) -> None:
    """Where a rule is in force; the clock that its last check has set would call somebody too soon."""
    office = f"{ground.name}-office"
    rule = {"when": "silent", "within": "45m", "channels": ["pager"], "loops": [office]}
    expected: list[str] = []
    async with get_client() as client:
        await write_variable(client, RULES_VARIABLE, {"rules": {"quiet": rule}})
        try:
            for every in ("15m", "15m", "1d"):
                ground.write({"office": loop("o")}, every=every)
                await ground.deploy()
                until_due = next_due(await ground.there("office")) - datetime.now(UTC)
                longer = "3h" if until_due + ALLOWED <= timedelta(hours=3) else "26h"
                span = watched("45m" if every == "15m" else longer)
                expected += [span] if span not in expected else []  # what has not changed is not said again
                about = EventResourceFilter(id=[resource(office)["prefect.resource.id"]])
                found: list[str] = []
                for _ in range(100):
                    where = EventFilter(event=EventNameFilter(prefix=[WATCHED]), resource=about, order=EventOrder.ASC)
                    found = [one.event for one in (await client.read_events(where, limit=50)).events]
                    if found == expected:
                        break
                    await asyncio.sleep(0.1)
                assert found == expected
        finally:
            await client.delete_variable_by_name(RULES_VARIABLE)


async def test_a_second_time_nothing_changes_and_the_scheduled_runs_stay(ground: Ground) -> None:
    """Also of an inbound check, and of a loop with every section."""
    full = loop("f") | {
        "limits": {"warn_after": 1, "max_wait": 2.5},
        "bounce_mailbox": DEFAULTS["imap"] | {"username": "b"},
    }
    full["imap"] |= {"expect": {"dkim": "pass"}, "tls": "starttls"}
    ground.write(
        {"office": loop("o"), "full": full, "in": {"smtp": None, "imap": {"username": "i", "search_subject": "[n]"}}}
    )
    assert (await ground.deploy())[-1] == "fleet: 3 deployments, 3 created"
    before = [await ground.there(*at) for at in (("office",), ("full",), ("in", "inbound-check"))]
    assert await ground.deploy() == ["fleet: 3 deployments, nothing changed"]
    assert await ground.deploy(dry_run=True) == ["fleet: 3 deployments, nothing changed"]
    after = [await ground.there(*at) for at in (("office",), ("full",), ("in", "inbound-check"))]
    assert [(one.id, one.updated, one.schedules) for one in after] == [
        (one.id, one.updated, one.schedules) for one in before
    ]


async def test_what_differs_is_shown_first_then_changed_and_what_is_gone_is_removed(ground: Ground) -> None:
    ground.write({"office": loop("o"), "branch": loop("b")})
    await ground.deploy()
    ground.write({"office": loop("o") | {"every": "1h", "limits": {"max_wait": 60}}, "third": loop("t")})
    changes = [
        "changed: mail-loop-check/office: limits.max_wait nothing -> 60.0; schedule.every 300.0 -> 3600.0",
        "created: mail-loop-check/third: every 5 minutes",
        "removed: mail-loop-check/branch",
    ]
    said = await ground.deploy(dry_run=True)
    assert [text.partition("; schedule.from")[0] for text in said[:-1]] == [f"would be {text}" for text in changes]
    assert said[-1] == "fleet: 2 deployments, 1 would be created, 1 would be changed, 1 would be removed"
    assert (await ground.there("office")).parameters.get("limits") is None
    await ground.there("branch")
    id_ = (await ground.there("office")).id

    said = await ground.deploy()
    assert [text.partition("; schedule.from")[0] for text in said[:-1]] == changes
    office = await ground.there("office")
    assert (office.id, office.parameters["limits"], len(office.schedules)) == (id_, {"max_wait": 60.0}, 1)
    with pytest.raises(ObjectNotFound):
        await ground.there("branch")
    assert (await ground.deploy())[-1] == "fleet: 2 deployments, nothing changed"


async def test_a_change_made_by_hand_is_put_back_but_what_was_switched_off_stays_off(ground: Ground) -> None:
    ground.write({"office": loop("o")})
    await ground.deploy()
    office = await ground.there("office")
    async with get_client() as client:
        changed = office.parameters | {"limits": {"max_wait": 7}}
        await client.update_deployment(office.id, DeploymentUpdate(parameters=changed))
        await client.update_deployment_schedule(office.id, office.schedules[0].id, active=False)
        await client.pause_deployment(office.id)
    assert await ground.deploy() == [
        "switched off in Prefect, and left so: mail-loop-check/office",
        "changed: mail-loop-check/office: limits.max_wait 7 -> nothing",
        "fleet: 1 deployment, 1 changed",
    ]
    office = await ground.there("office")
    assert (office.paused, office.schedules[0].active) == (True, False)


async def test_a_foreign_deployment_is_neither_taken_over_nor_removed(ground: Ground) -> None:
    """By name, by our tag alone, or of another fleet."""
    ground.write({"office": loop("o")})
    await ground.deploy()
    flow_id = (await ground.there("office")).flow_id
    async with get_client() as client:
        for name, tags in (("mine", []), ("tagged", ["mail-loop-fleet", f"mail-loop-fleet:{ground.name}"])):
            await client.create_deployment(flow_id, f"{ground.name}-{name}", tags=tags, description="Mine.")
    assert (await ground.deploy())[-1] == "fleet: 1 deployment, nothing changed"
    ground.write({"mine": loop("m"), "third": loop("t")})
    with pytest.raises(ConfigError) as refused:
        await ground.deploy()
    assert str(refused.value) == (
        f"the deployment mail-loop-check/{ground.name}-mine is there already and is not one of mail-loop deploy: "
        "rename the loop, or remove it there"
    )
    ground.write({"office": loop("o"), "third": loop("t")})
    with pytest.raises(ConfigError, match=f"belongs to the fleet {ground.name}: rename the loop"):
        await ground.deploy(fleet="other")
    ground.write({"third": loop("t")})
    assert await ground.deploy(fleet="other") == [
        "created: mail-loop-check/third: every 5 minutes",
        "fleet other: 1 deployment, 1 created",
    ]
    assert [(await ground.there(name)).description for name in ("mine", "tagged")] == ["Mine.", "Mine."]
    assert DESCRIPTION_MARK in ((await ground.there("office")).description or "")


async def test_shards_take_the_place_of_a_run_for_each_loop_and_back(ground: Ground) -> None:
    """A run of a shard is one of all its loops, and may begin while the one before still waits."""
    ground.write({name: loop(name) for name in ("a", "b")})
    await ground.deploy()
    removed = [f"removed: mail-loop-check/{name}" for name in ("a", "b")]
    said = await ground.deploy(shards=1)
    assert (said[0], sorted(said[1:-1])) == ("created: fleet-check/5m-1-of-1: 2 loops every 5 minutes", removed)
    assert await ground.deploy(shards=1) == ["fleet: 1 deployment, nothing changed"]
    shard = await ground.there("5m-1-of-1", "fleet-check")
    assert shard.entrypoint == "flows/fleet.py:fleet_check"
    assert shard.global_concurrency_limit is not None
    assert shard.global_concurrency_limit.limit == 2
    assert {"mail-loop", "prod"} < set(shard.tags)
    assert [check.config for check in fleet_of(shard.name, None, shard.parameters["loops"])] == [
        check.config for check in all_planned([ground.folder])
    ]
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(shard.id)  # the server compares them with the form
        assert len(run.parameters["loops"]) == 2
        await client.delete_flow_run(run.id)
    assert (await ground.deploy())[-1] == "fleet: 2 deployments, 2 created, 1 removed"


async def test_each_place_has_a_work_queue_and_a_flow_compares_what_they_find(ground: Ground) -> None:
    ground.write({"office": loop("o") | {"vantage": ["berlin", "dublin"]}, "plain": loop("p")})
    assert await ground.deploy() == [
        "created: mail-loop-check/office-from-berlin: every 5 minutes from berlin",
        "created: mail-loop-check/office-from-dublin: every 5 minutes from dublin",
        "created: mail-loop-check/plain: every 5 minutes",
        f"created: loop-vantage/{ground.name}: 1 loop every 5 minutes",
        "fleet: 4 deployments, 4 created",
    ]
    assert await ground.deploy() == ["fleet: 4 deployments, nothing changed"]
    for place in ("berlin", "dublin"):
        made = await ground.there(f"office-from-{place}")
        assert (made.work_queue_name, made.parameters["name"]) == (place, made.name)
        assert place_tag(place) in made.tags
    assert (await ground.there("plain")).work_queue_name == "default"
    async with get_client() as client:
        compared = await client.read_deployment_by_name(f"loop-vantage/{ground.name}")
        run = await client.create_flow_run_from_deployment(compared.id)
        await client.delete_flow_run(run.id)
    ground.write({"office": loop("o"), "plain": loop("p")})
    assert (await ground.deploy())[-1] == "fleet: 2 deployments, 1 created, 3 removed"


@pytest.mark.parametrize("section", ["smtp", "imap", "bounce_mailbox"])
@pytest.mark.parametrize("clear", ["password", "oauth.client_secret"])
async def test_a_clear_secret_is_refused_before_anything_is_made(
    ground: Ground, home: Path, section: str, clear: str
) -> None:
    wrong = loop("w") | {"bounce_mailbox": DEFAULTS["imap"] | {"username": "b"}}
    app = {"provider": "microsoft365", "tenant": "t.test", "client_id": "app", "client_secret": CANARY}
    wrong[section] = wrong[section] | {"password_secret": None}
    wrong[section] |= {"password": CANARY} if clear == "password" else {"oauth": app}
    if section == "bounce_mailbox":
        del wrong[section]["password_secret"]
    ground.write({"good": loop("g"), "wrong": wrong})
    with pytest.raises(ConfigError) as refused:
        await ground.deploy()
    assert str(refused.value).startswith(f"{ground.name}-wrong: {section}.{clear}: a deployment never holds a ")
    with pytest.raises(ObjectNotFound):
        await ground.there("good")
    assert places_of(CANARY, home) == []


async def test_a_pool_that_is_not_there_is_told_before_anything_is_made(ground: Ground, tmp_path: Path) -> None:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "prefect.yaml"
    other.write_text(text.replace("name: mail-loop\n", "name: nowhere\n"), encoding="utf-8")
    ground.write({"office": loop("o")})
    with pytest.raises(ConfigError, match=r"^there is no work pool nowhere on the server"):
        await deploy_checks(all_planned([ground.folder]), "15m", ground.name, read_template(other), print)
    with pytest.raises(ObjectNotFound):
        await ground.there("office")
    other.write_text(text.replace("definitions:", "definitons:"), encoding="utf-8")
    with pytest.raises(ConfigError, match="must have pull and definitions"):
        read_template(other)
