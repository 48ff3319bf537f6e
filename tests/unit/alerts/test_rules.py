"""alerts.yaml: what it may say, and one sentence for each thing that it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.alerts.drill import SITUATIONS
from flows.cli.alerts import PLAYED
from tasks.alerts.rules import TRIAL, Rule, load_alerts
from tasks.mail.model.errors import ConfigError

ROOT = Path(__file__).parents[3]
CHANNELS = "channels: {pager: {webhook: pager-url}}\n"


def loaded(tmp_path: Path, text: str) -> str:
    """The error without the path that it begins with."""
    path = tmp_path / "alerts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_alerts(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_the_example_is_right() -> None:
    alerts = load_alerts(ROOT / "examples" / "alerts.yaml")
    assert [(name, rule.when) for name, rule, _ in alerts.pairs()] == [
        (n, n) for n in ("failing", "degraded", "silent")
    ]
    assert alerts.rules["silent"].silence.total_seconds() == 45 * 60


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is empty: give a section channels and rules"),
        ("- a\n", "must hold fields at the top level, such as channels and rules, not a list or one value"),
        ("smtp: {}\n", "holds no alerts: give the sections channels and rules"),
        ("channels: {pager: {webhook: x}}\n", "rules: is required: a mapping of your names to rules"),
        (
            "channels: {pager: {}}\nrules: {a: {when: failing, channels: [pager]}}\n",
            "channels.pager: must have one of webhook, apprise and block",
        ),
        (
            "channels: {pager: {webhook: a, apprise: b}}\nrules: {a: {when: failing, channels: [pager]}}\n",
            "channels.pager: must have one of webhook, apprise and block",
        ),
        (
            "channels: {pager: {block: ops}}\nrules: {a: {when: failing, channels: [pager]}}\n",
            "channels.pager.block: must be the type and the name of a block, such as slack-webhook/operators",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: failing, channels: [pagr]}}}}\n",
            "has no channel pagr, which rules.a names: add it, or correct the name",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: broken, channels: [pager]}}}}\n",
            "rules.a.when: must be one of failing, degraded, silent",
        ),
        (f"{CHANNELS}rules: {{a: {{when: failing, channels: []}}}}\n", "rules.a.channels: must name at least one"),
        (
            f"{CHANNELS}rules: {{a: {{when: silent, channels: [pager]}}}}\n",
            "rules.a: needs within where when is silent: for how long no good check may come, such as 45m",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: silent, within: 5s, channels: [pager]}}}}\n",
            "rules.a.within: must be a length of time of a minute or more, such as 45m, 2h or 1d, not '5s'",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: failing, within: 5m, channels: [pager]}}}}\n",
            "rules.a: has within, which is for silent alone: with failing, give checks",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: silent, within: 5m, checks: 2, channels: [pager]}}}}\n",
            "rules.a: has checks or recovered_after, which a silent rule does not have: one good check ends it",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: failing, checks: 0, channels: [pager]}}}}\n",
            "rules.a.checks: must be a whole number from 1 to 100, without quotes",
        ),
        (
            f"{CHANNELS}rules: {{a: {{when: failing, chanels: [pager]}}}}\n",
            "rules.a.channels: is required: names of channels; rules.a.chanels: unknown field; did you mean channels?",
        ),
        (
            f"{CHANNELS}rules: {{A B: {{when: failing, channels: [pager]}}}}\n",
            "rules.'A B': must be lower-case letters and digits with single hyphens between, at most 63 characters; "
            "did you mean a-b?",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, text: str, error: str) -> None:
    assert loaded(tmp_path, text) == error


def test_a_rule_holds_for_its_loops_and_for_the_trial() -> None:
    every, one = (
        Rule.model_validate({"when": "failing", "channels": ["a"], "loops": loops}) for loops in (None, ["x"])
    )
    assert [every.holds_for(loop) for loop in ("x", "y", TRIAL)] == [True, True, True]
    assert [one.holds_for(loop) for loop in ("x", "y", TRIAL)] == [True, False, True]


def test_a_secret_is_named_and_never_written(tmp_path: Path) -> None:
    """A URL in its place has characters that no name of a secret has."""
    for url in ("https://hooks.example.net/T0/B0/canary", "slack://canary"):
        error = loaded(
            tmp_path, f"channels: {{pager: {{webhook: '{url}'}}}}\nrules: {{a: {{when: failing, channels: [pager]}}}}\n"
        )
        assert error == "channels.pager.webhook: must be the name of a secret that holds the URL, not the URL"
        assert "canary" not in error


def test_no_error_repeats_its_input() -> None:
    with pytest.raises(ValidationError) as raised:
        Rule.model_validate({"when": "canary", "channels": ["a"]})
    assert "canary" not in str(raised.value)


def test_the_command_line_knows_the_situations_that_are_played() -> None:
    assert tuple(SITUATIONS) == PLAYED
