"""Which deployments a fleet takes: each loop is in one shard of each place, and stays there whatever others come."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from flows.deploy.plan import Plan, plan_deployments
from flows.registry import FLEET_CHECK, INBOUND_CHECK, LOOP_CHECK, LOOP_VANTAGE
from tasks.mail.config.fleet import SINCE, fleet_config, shard
from tasks.mail.config.loading.files import planned
from tasks.mail.model.errors import ConfigError

DEFAULTS: dict[str, Any] = {
    "every": "5m",
    "smtp": {"host": "a.test", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "[x]"},
    "imap": {"host": "m.test", "username": "u", "password_secret": "mailbox"},
    "limits": {"max_wait": 60},
}


def made(loops: dict[str, Any], shards: int | None = None, **defaults: Any) -> list[Plan]:
    return plan_deployments(
        planned(fleet_config({"defaults": DEFAULTS | defaults, "loops": loops})), "15m", "main", shards
    )


def many(number: int) -> dict[str, Any]:
    return {f"loop-{n}": {} for n in range(number)}


def test_each_loop_is_in_one_shard_and_a_shard_has_about_its_share() -> None:
    found = made(many(600), 12)
    assert [plan.name for plan in found] == [f"main-5m-{n}-of-12" for n in range(1, 13)]
    names = Counter(name for plan in found for name in plan.parameters["loops"])
    assert names == Counter([*many(600)])
    assert all(30 < len(plan.parameters["loops"]) < 75 for plan in found)


def test_a_loop_stays_in_its_shard_whatever_others_there_are_and_few_move_to_a_new_one() -> None:
    before = {name: plan.name for plan in made(many(300), 6) for name in plan.parameters["loops"]}
    after = {name: plan.name for plan in made(many(200), 6) for name in plan.parameters["loops"]}
    assert {name: before[name] for name in after} == after
    moved = [n for n in range(1000) if shard(f"loop-{n}", 10) != shard(f"loop-{n}", 11)]
    assert 50 < len(moved) < 150  # an eleventh of them, all into the new one
    assert {shard(f"loop-{n}", 11) for n in moved} == {10}


def test_shards_start_at_equal_distances() -> None:
    found = made(many(100), 5)
    assert [plan.anchor - SINCE for plan in found] == [timedelta(minutes=n) for n in range(5)]


def test_each_interval_has_shards_of_its_own_and_an_inbound_check_stays_alone() -> None:
    loops = many(20) | {
        "hourly": {"every": "1h"},
        "odd": {"every": "90m"},
        "in": {"smtp": None, "imap": {"search_subject": "News"}},
    }
    assert [(plan.flow, plan.name) for plan in made(loops, 1)] == [
        (INBOUND_CHECK, "in"),
        (FLEET_CHECK, "main-5m-1-of-1"),
        (FLEET_CHECK, "main-1h-1-of-1"),
        (FLEET_CHECK, "main-90m-1-of-1"),
    ]


def test_more_shards_than_loops_are_not_made() -> None:
    assert len(made(many(3), 50)) <= 3


def test_a_loop_from_several_places_is_one_deployment_each_and_one_that_compares_them() -> None:
    found = made({"office": {"vantage": ["berlin", "dublin"]}, "branch": {"vantage": ["berlin"]}, "plain": {}})
    assert [(plan.flow, plan.name, plan.place) for plan in found] == [
        (LOOP_CHECK, "office-from-berlin", "berlin"),
        (LOOP_CHECK, "office-from-dublin", "dublin"),
        (LOOP_CHECK, "branch-from-berlin", "berlin"),
        (LOOP_CHECK, "plain", None),
        (LOOP_VANTAGE, "main", None),
    ]
    assert found[0].parameters["name"] == "office-from-berlin"
    assert found[-1].parameters == {
        "name": "main",
        "loops": {"office": {"places": ["berlin", "dublin"], "every": 300.0, "longest": 60}},
    }


def test_each_place_has_shards_of_its_own_which_do_not_start_together() -> None:
    found = [plan for plan in made(many(40), 2, vantage=["berlin", "dublin"]) if plan.flow == FLEET_CHECK]
    assert [(plan.name, plan.place, plan.anchor - SINCE) for plan in found] == [
        ("main-from-berlin-5m-1-of-2", "berlin", timedelta(0)),
        ("main-from-dublin-5m-1-of-2", "dublin", timedelta(seconds=75)),
        ("main-from-berlin-5m-2-of-2", "berlin", timedelta(seconds=150)),
        ("main-from-dublin-5m-2-of-2", "dublin", timedelta(seconds=225)),
    ]
    assert all(name.endswith("-from-berlin") for name in found[0].parameters["loops"])


def test_what_would_collide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^two loops would be called office-from-berlin: rename one of them$"):
        made({"office": {"vantage": ["berlin"]}, "office-from-berlin": {}})
    checks = planned(fleet_config({"defaults": DEFAULTS, "loops": many(1)}))
    with pytest.raises(ConfigError, match=r"^--fleet f+: too long for the name of a shard, .*: shorten it$"):
        plan_deployments(checks, "15m", "f" * 60, 2)


@pytest.mark.parametrize(
    ("vantage", "said"),
    [
        ("berlin", "loops.office.vantage: must be a list of places"),
        (["Berlin"], "loops.office.vantage: must be a list of places"),
        (["a", "a"], "loops.office.vantage: must be a list of places"),
        (["x" * 21], "loops.office.vantage: must be a list of places"),
        ([1], "loops.office.vantage: must be a list of places"),
    ],
    ids=str,
)
def test_places_that_are_none_are_refused(vantage: object, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made({"office": {"vantage": vantage}})
    assert str(refused.value).startswith(said)


def test_a_name_that_would_be_too_long_at_its_place_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^loops\.o+: would be called o+-from-berlin there, and 63 characters"):
        made({"o" * 60: {"vantage": ["berlin"]}})
