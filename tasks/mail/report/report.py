"""Reports of a result: lines for a terminal, and Markdown for the run's artifact. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tasks.mail.config.loop import Limits
from tasks.mail.model.outcome import FAILED
from tasks.mail.model.result import BounceRecord, LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.journey_tables import sections
from tasks.mail.report.markdown import code, escape, table
from tasks.mail.report.svg.hops import hop_bars
from tasks.mail.report.svg.timeline import Timeline, of_result


def line(result: LoopResult) -> str:
    """One line: loop, status, outcome, sentence."""
    return one_line(f"{result.loop}: {result.status} ({result.outcome}): {result.sentence}", None)


def who_acts(result: LoopResult) -> list[str]:
    """One line, where somebody must act, and one with the cause, where it is known."""
    told = {"who acts": result.who_acts, "cause": result.cause}
    return [one_line(f"{name}: {text}", None) for name, text in told.items() if text]


def attempts(result: LoopResult) -> list[str]:
    """One line for each attempt of the SMTP leg."""
    failed = {error.attempt: error for error in result.attempt_errors}
    lines = []
    for number in range(1, result.attempts + 1):
        if error := failed.get(number):
            lines.append(one_line(f"attempt {number}: {error.error_type} at {error.stage}: {error.error_msg}", None))
        else:
            lines.append(
                one_line(f"attempt {number}: accepted: {result.response_code} {result.response_message}", None)
            )
    return lines


def markdown(
    result: LoopResult, configuration: Mapping[str, Mapping[str, object]], limits: Limits | None = None
) -> str:
    """The artifact: verdict and picture first, then a table for each thing that may matter, and the configuration."""
    when = f", {result.sent_at:%Y-%m-%d %H:%M:%S} UTC" if result.sent_at else ""
    parts = [
        f"**{escape(result.loop)}: {result.status} ({result.outcome})**{when}",
        escape(result.sentence),
        *([f"**Who acts:** {escape(result.who_acts)}."] if result.who_acts else []),
        *([f"**Cause:** {code(result.cause)}"] if result.cause else []),
        *_picture(result, limits),
        *(f"> {escape(note)}" for note in result.notes),
    ]
    if result.attempts:
        parts += ["### Attempts", table(_attempts(result), ("attempt", "stage", "outcome", "reply"))]
    parts += [*sections(result), "### Times", table(_times(result), ("", ""))]
    if found := _landing(result):
        parts += ["### Where it landed", table(found, ("", ""))]
    if result.bounce is not None:
        headline = "### The bounce" if result.bounce.action == FAILED else "### The notice of a delay"
        parts += [headline, table(_bounce(result.bounce), ("", ""))]
    parts += ["### The message", table(_message(result), ("", ""))]
    if result.smtp_stages or result.imap_stages:
        rows = [
            (escape(leg), escape(stage), ms(value))
            for leg, stages in (("smtp", result.smtp_stages), ("imap", result.imap_stages))
            for stage, value in stages.items()
        ]
        parts += ["### Stages", table(rows, ("leg", "stage", "time"))]
    fields = [
        (escape(f"{section}.{name}"), code(_as_written(value)))
        for section, values in configuration.items()
        for name, value in values.items()
    ]
    if fields:
        parts += ["### Configuration", table(fields, ("field", "value"))]
    return "\n\n".join(parts) + "\n"


def timeline(result: LoopResult, limits: Limits | None = None) -> Timeline:
    """What the pictures of a result show; without `limits` none is drawn."""
    return of_result(result, limits, hop_bars(result.journey, result.send_seconds or 0.0), result.attempt_times)


def _picture(result: LoopResult, limits: Limits | None) -> list[str]:
    drawn = timeline(result, limits)
    if not drawn.bars:
        return []
    from tasks.mail.report.svg.draw import alt, data_uri, svg  # a command line starts without it

    return [f"![{escape(alt(drawn))}]({data_uri(svg(drawn))})"]


def _as_written(value: object) -> object:
    """A configured value as it stands in a file."""
    return str(value).lower() if isinstance(value, bool) else value


def _times(result: LoopResult) -> list[tuple[str, ...]]:
    rows = (
        ("sent", moment(result.sent_at)),
        ("accepted by the relay", moment(result.accepted_at)),
        ("arrived, by the mail server's clock", moment(result.arrived_at)),
        ("seen", moment(result.detected_at)),
        ("sending took", seconds(result.send_seconds)),
        ("delivery took at most", seconds(result.delivery_seconds)),
        ("in all", seconds(result.total_seconds)),
    )
    return [row for row in rows if row[1]]


def _attempts(result: LoopResult) -> list[tuple[str, ...]]:
    failed = {error.attempt: error for error in result.attempt_errors}
    rows: list[tuple[str, ...]] = []
    for number in range(1, result.attempts + 1):
        if error := failed.get(number):
            rows.append((str(number), escape(error.stage), escape(error.error_type), code(error.error_msg)))
        else:
            reply = f"{result.response_code or ''} {result.response_message or ''}".strip()
            rows.append((str(number), "data", "accepted", code(reply)))
    return rows


def _landing(result: LoopResult) -> list[tuple[str, ...]]:
    if result.folder is None:
        return []
    return [
        ("folder", code(result.folder)),
        ("placement", escape(result.placement)),
        ("copies", str(result.copies)),
        ("UIDs", ", ".join(str(uid) for uid in result.matched_uids)),
    ]


def _bounce(bounce: BounceRecord) -> list[tuple[str, ...]]:
    rows = (
        ("action", code(bounce.action)),
        ("status", code(bounce.status)),
        ("diagnostic", code(bounce.diagnostic)),
        ("recipient", code(bounce.recipient)),
        ("reporting server", code(bounce.reporting_mta)),
        ("remote server", code(bounce.remote_mta)),
        ("found in", code(bounce.folder)),
        ("of the mailbox", code(bounce.mailbox)),
        ("arrived, by that server's clock", moment(bounce.arrived_at)),
    )
    return [row for row in rows if row[1]]


def _message(result: LoopResult) -> list[tuple[str, ...]]:
    rows = (
        ("loop", result.loop),
        ("subject", result.subject),
        ("token", result.token),
        ("probe id", result.probe_id),
        ("Message-ID", result.message_id),
        ("from", result.from_),
        ("envelope sender", result.envelope_from if result.envelope_from != result.from_ else None),
        ("to", result.to),
        ("queue id at the relay", result.queue_id),
    )
    return [(name, code(value)) for name, value in rows if value]


def moment(value: datetime | None) -> str:
    """A time in UTC, to the millisecond unless it is a whole second."""
    if value is None:
        return ""
    return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds").replace(
        "+00:00", " UTC"
    )


def seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def ms(value: float) -> str:
    """A stage's time, given in seconds."""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
