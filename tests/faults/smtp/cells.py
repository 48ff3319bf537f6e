"""The SMTP leg: every fault in every stage of the dialogue, most of it inside TLS, on a scripted server."""

from __future__ import annotations

from dataclasses import replace

from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tests.faults import tokens
from tests.faults.cells import Cell, Expected
from tests.faults.scripted import (
    AMPLE,
    BREAKS,
    BROKEN,
    NO_MESSAGE,
    SHORT,
    SILENT,
    SOON,
    TOO_DEAR,
    delivered,
    in_order,
)
from tests.faults.smtp import lab_cells, path_cells
from tests.faults.smtp.scripted import Scripted, failed
from tests.support.raw.server import DEFAULT, DROP, SILENCE, Action, Endless, Extra

# By stage of the table: the phase of the scripted server, and the stage that is reported.
STAGES = {
    "banner": ("banner", "connect"),
    "EHLO": ("ehlo", "ehlo"),
    "STARTTLS": ("starttls", "tls"),
    "EHLO in TLS": ("ehlo", "ehlo"),
    "AUTH": ("auth", "auth"),
    "AUTH challenge": ("challenge", "auth"),
    "MAIL": ("mail", "mail"),
    "RCPT": ("rcpt", "rcpt"),
    "DATA": ("data", "data"),
    "body": ("body", "data"),
    "after the dot": ("eod", "data"),
    "QUIT": ("quit", None),
}
FAULTS: dict[str, Action] = {
    **BREAKS,
    "a line without end": Endless(b"2" * 65536),
    "100,000 lines": b"250-and\r\n" * 100_000 + b"250 so on\r\n",
    "lines without end": Endless(b"250-and\r\n" * 1000),
    "4xx": b"451 4.3.0 not now\r\n",
    "5xx": b"554 5.0.0 never\r\n",
    "a second reply": Extra(behind=b"451 4.3.0 not now\r\n"),
}
KINDS = {
    **BROKEN,
    "4xx": ErrorType.TEMPORARY,
}  # all others are no SMTP
BODY_FAULTS = ("close", "reset", "silence", "4xx", "5xx")  # the server has nothing to say there, so it cannot be slow


def expected(stage: str, fault: str) -> Expected:
    """What the contracts say of a fault before the message is accepted."""
    reported = STAGES[stage][1] or ""
    kind = KINDS.get(fault, ErrorType.SMTP)
    if fault not in ("4xx", "5xx"):
        return failed(reported, kind)
    if stage == "AUTH":
        return failed(reported, ErrorType.AUTH, Outcome.DEFERRED if fault == "4xx" else Outcome.REJECTED)
    if fault == "4xx":
        return failed(reported, kind, Outcome.DEFERRED, attempts=2)
    return failed(reported, ErrorType.RECIPIENT if stage == "RCPT" else kind, Outcome.REJECTED)


def cells() -> list[Cell]:
    """All cells of the SMTP leg, in the order of the dialogue."""
    by_token = tokens.cells("smtp", failed, _refused, "auth", AMPLE, AMPLE)
    found = [
        *by_token,
        *path_cells.cells(),
        *_dialogue(),
        *_challenges(),
        *_again(),
        *_in_doubt(),
        *_quit(),
        *lab_cells.cells(),
    ]
    order = ["all", "token", "dns", "connect", "banner", "EHLO", "STARTTLS", "TLS handshake", *list(STAGES)[3:]]
    return in_order(found, order)


def _dialogue() -> list[Cell]:
    """Every fault in every reply before the one to the final dot; what arrives all the same would be a false alarm."""
    found = []
    for stage, (phase, _) in STAGES.items():
        if stage in ("AUTH challenge", "body", "after the dot", "QUIT"):
            continue
        for fault, action in FAULTS.items():
            script = {phase: [DEFAULT, action] * 2 if stage == "EHLO in TLS" else action}
            if (stage, fault) == ("STARTTLS", "a second reply"):
                fault = "bytes pipelined behind it"
                script = {phase: Extra(behind=b"250-raw.test\r\n250 AUTH LOGIN\r\n")}
            run = Scripted(script, SHORT if fault in SILENT else AMPLE, accepted=0)
            found.append(Cell("smtp", stage, fault, expected(stage, fault), run))
    return found


def _refused(stage: str, error_type: ErrorType) -> Expected:
    return failed(stage, error_type, Outcome.REJECTED)


def _challenges() -> list[Cell]:
    """Where the relay asks first (SCRAM): what is none of the mechanism's messages gets no answer, and no proof."""
    refused = _refused("auth", ErrorType.AUTH)
    broken: dict[str, tuple[Action, Expected]] = {
        "not base64": (b"334 %%%\r\n", refused),
        "another message": (b"334 %b\r\n" % NO_MESSAGE, refused),
        "too many iterations": (b"334 %b\r\n" % TOO_DEAR, refused),
        "agrees too early": (b"235 2.7.0 welcome\r\n", refused),
        "challenges without end": (Endless(b"334 %b\r\n" % NO_MESSAGE), failed("auth", ErrorType.SMTP)),
    }
    faults = {fault: (action, expected("AUTH", fault)) for fault, action in FAULTS.items() if "lines" not in fault}
    return [
        Cell(
            "smtp",
            "AUTH challenge",
            fault,
            must,
            Scripted(
                {"challenge": action},
                SHORT if fault in SILENT else AMPLE,
                accepted=0,
                mechanism="SCRAM-SHA-256",
            ),
        )
        for fault, (action, must) in {**faults, **broken}.items()
    ]


def _again() -> list[Cell]:
    """The second attempt, after a 4xx: how it ends is how the check ends."""
    later = FAULTS["4xx"]
    endings: list[tuple[str, str, Action, Expected]] = [
        ("RCPT", "success", DEFAULT, delivered(attempts=2)),
        ("RCPT", "reset", DROP, replace(expected("RCPT", "reset"), attempts=2)),
        ("RCPT", "silence", SILENCE, replace(expected("RCPT", "silence"), attempts=2)),
        ("RCPT", "5xx", FAULTS["5xx"], replace(expected("RCPT", "5xx"), attempts=2)),
        ("banner", "success", DEFAULT, delivered(attempts=2)),
        ("DATA", "success", DEFAULT, delivered(attempts=2)),
    ]
    return [
        Cell(
            "smtp",
            stage,
            f"4xx, then {ending}",
            must,
            Scripted({STAGES[stage][0]: [later, action]}, SHORT if ending in SILENT else AMPLE),
        )
        for stage, ending, action, must in endings
    ]


def _in_doubt() -> list[Cell]:
    """Faults once the body is on its way: the mailbox decides, and what may have got through is never sent again."""
    found = []
    for fault in BODY_FAULTS:
        run = Scripted({"body": FAULTS[fault]}, SHORT if fault in SILENT else AMPLE, arrives=False, accepted=0)
        found.append(Cell("smtp", "body", fault, expected("body", fault), run))
    for fault, action in FAULTS.items():
        timeout = SHORT if fault in SILENT else AMPLE
        lost = expected("after the dot", fault)
        run = Scripted({"eod": action}, timeout, arrives=False, accepted=lost.attempts)
        found.append(Cell("smtp", "after the dot", f"{fault}, and it is lost", lost, run))
        if fault not in ("4xx", "5xx"):
            run = Scripted({"eod": action}, timeout, accepted=1)
            found.append(Cell("smtp", "after the dot", f"{fault}, and it arrives", delivered(), run))
    twice = Expected(Outcome.DUPLICATED, None, None, None, 2, SOON, status=Status.WARNING, copies=2)
    run = Scripted({"eod": [FAULTS["4xx"], DEFAULT]}, accepted=2)
    return [*found, Cell("smtp", "after the dot", "4xx, and it arrives twice", twice, run)]


def _quit() -> list[Cell]:
    """Whatever happens at QUIT, the message is accepted."""
    return [
        Cell("smtp", "QUIT", fault, delivered(within=SOON + 2), Scripted({"quit": action}, accepted=1))
        for fault, action in FAULTS.items()
    ]
