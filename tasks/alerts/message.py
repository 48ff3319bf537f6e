"""What is said when somebody is called: pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.alerts.state import Kind, Standing
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line

LONGEST, LONGEST_WHO = 500, 150  # characters: with subject and link no service takes less
LINK = ("://", ": //")  # in the words of others: only our own link, to the run, works
IN_OUR_LINK = str.maketrans({char: f"%{ord(char):02X}" for char in "\\*_~`|<>&@"})  # markup; the address is the same

# For Prefect's templates, which see the event from which on the loop was silent. WITHIN is filled in here.
SILENT_SUBJECT = "[mail-loop] {{ event.payload.loop }}: silent"
SILENT_BODY = (
    "No good check of {{ event.payload.loop }} has come within WITHIN, which is no verdict on the mail: see whether "
    "worker, schedule and machine are up.\n"
    "The last one: {{ (event.occurred | string)[:16] }} UTC: {{ event.payload.sentence }}"
)

# An action has no condition of its own: a call whose text cannot be made is not made. While a schedule is switched off,
# nothing is due.
UNSCHEDULED = "nobody_is_called_for_a_loop_without_an_active_schedule"
ONLY_IF_SCHEDULED = (
    "{% if not (deployment and not deployment.paused and deployment.schedules | selectattr('active') | list) %}"
    f"{{{{ {UNSCHEDULED}() }}}}{{% endif %}}"
)


def subject(kind: Kind, loop: str, outcome: str) -> str:
    """The headline of a call."""
    return f"[mail-loop] {loop}: {kind}" + (f" ({outcome})" if outcome and kind != "recovered" else "")


def body(
    kind: Kind, result: LoopResult, standing: Standing, at: datetime, last_good: datetime | None, url: str | None
) -> str:
    """The text of a call: the verdict first. `standing` is that before a recovery, or with the check that calls."""
    lines = [one_line(result.sentence.replace(*LINK), LONGEST)]
    if kind == "recovered":
        was = f"was {standing.outcome}" if standing.checks else "had no good check"
        lines.append(f"It {was} {_since(standing, at)}.")
    else:
        if result.who_acts:
            lines.append(one_line(f"Who acts: {result.who_acts.replace(*LINK)}.", LONGEST_WHO))
        if result.cause:
            lines.append(f"Cause: {result.cause}.")
        good = f"{_minute(last_good)}" if last_good else "none on record"
        since = _since(standing, at)
        lines.append(f"{since[0].upper()}{since[1:]}. The last good check: {good}.")
    if url:
        lines.append(f"The run: {url.translate(IN_OUR_LINK)}")
    return "\n".join(lines)


def silent(within: str) -> tuple[str, str]:
    """Subject and text of a call about silence, as templates of Prefect."""
    return SILENT_SUBJECT, SILENT_BODY.replace("WITHIN", within)


def _since(standing: Standing, at: datetime) -> str:
    if standing.since is None:
        return "just now"
    length = at - standing.since
    parts = [_length(length)] if length >= timedelta(minutes=1) else []
    if standing.checks:
        parts.append("one check" if standing.checks == 1 else f"{standing.checks} checks")
    return f"since {_minute(standing.since)} ({', '.join(parts)})"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _length(length: timedelta) -> str:
    minutes = round(length / timedelta(minutes=1))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"
