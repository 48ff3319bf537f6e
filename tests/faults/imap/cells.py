"""The IMAP leg: every fault in every stage of the dialogue, most of it inside TLS, on a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tests.faults import tokens
from tests.faults.cells import Cell, Expected
from tests.faults.imap import lab_cells, path_cells, stranger_cells
from tests.faults.imap.scripted import BRIEF, OVER, Scripted
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
    lost,
    unread,
)
from tests.support.raw.server import CLOSE, DEFAULT, SILENCE, Action, Endless, Extra

# By stage of the table: the phase of the scripted server, and the stage that is reported.
SHUT = {  # without these there is no look
    "greeting": ("greeting", "connect"),
    "STARTTLS": ("starttls", "tls"),
    "CAPABILITY": ("capability", "login"),  # the one in TLS
    "login": ("authenticate", "login"),
    "LIST": ("list", "select"),
    "EXAMINE": ("examine", "select"),
    "FETCH": ("fetch", "search"),
}
WAITING = {"NOOP": "noop", "IDLE start": "idle", "IDLE": "idling", "DONE": "done"}
FOUND = {"SELECT": "select", "STORE": "store", "EXPUNGE": "expunge", "LOGOUT": "logout"}
CHALLENGE = "login challenge"
_IN_TLS = ["CAPABILITY", "login", CHALLENGE, *list(SHUT)[4:], "STATUS", *WAITING, *FOUND]
ORDER = ["all", "token", "dns", "connect", *list(SHUT)[:2], "TLS handshake", *_IN_TLS]

HARMLESS = "100,000 lines"
FAULTS: dict[str, Action] = {
    **BREAKS,
    "a line without end": Endless(b"x" * 65536, b"* OK "),
    "a literal of 2 GB": Endless(b"\0" * 65536, b"* X {2147483648}\r\n"),
    HARMLESS: Extra(b"* OK still here\r\n" * 100_000),
    "lines without end": Endless(b"* OK still here\r\n" * 4000),
    "BYE": b"* BYE shutting down\r\n",
    "NO": b"{tag} NO not now\r\n",
    "BAD": b"{tag} BAD not so\r\n",
    "[UNAVAILABLE]": b"{tag} NO [UNAVAILABLE] not now\r\n",
    "[LIMIT]": b"{tag} NO [LIMIT] too many of you\r\n",
    "[AUTHENTICATIONFAILED]": b"{tag} NO [AUTHENTICATIONFAILED] not you\r\n",
}
PASSING = ("close", "silence", "garbage", "NO")
REFUSALS = list(FAULTS)[-5:]
LATER = [fault for fault in FAULTS if fault != "lines without end"]  # of the two alike one will do
KINDS = {
    **BROKEN,
    "BYE": ErrorType.CONNECTION,
}  # all others are no IMAP, or a no
# A login that is refused is not tried again: it would count towards a lock-out.
FINAL = ("NO", "BAD", "[AUTHENTICATIONFAILED]")


def expected(stage: str, fault: str) -> Expected:
    """What the contracts say of a fault that lasts, in a stage without which there is no look."""
    if fault == HARMLESS or (stage == "LIST" and fault in REFUSALS):
        return delivered()
    if (stage, fault) == ("EXAMINE", "BAD"):  # it may not know the command: SELECT shows the folder as well
        return delivered()
    kind = KINDS.get(fault, ErrorType.MAILBOX)
    if stage == "greeting" and fault == "lines without end":
        return unread("tls", kind)  # the first of them is a greeting
    if stage == "greeting" and fault.startswith("["):
        return unread("connect", ErrorType.CONNECTION)
    if stage == "STARTTLS" and fault in REFUSALS:
        kind = ErrorType.TLS
    if stage == "login" and fault in FINAL:
        kind = ErrorType.AUTH
    return unread(SHUT[stage][1], kind)


def cells() -> list[Cell]:
    """All cells of the IMAP leg, in the order of the dialogue."""
    by_token = tokens.cells("imap", unread, unread, "login", BRIEF, OVER)
    found = [
        *by_token,
        *path_cells.cells(),
        *_shut(),
        *_challenges(),
        *_passing(),
        *_junk(),
        *_waiting(),
        *_never(),
        *_after(),
    ]
    return in_order([*found, *lab_cells.cells(), *stranger_cells.cells()], ORDER)


def _cell(stage: str, fault: str, expected: Expected, script: dict[str, Any], **options: Any) -> Cell:
    options.setdefault("timeout", SHORT if fault.split(",")[0] in SILENT else AMPLE)
    return Cell("imap", stage, fault, expected, Scripted(script, **options))


def _action(stage: str, fault: str) -> Action:
    action = FAULTS[fault]
    if stage != "greeting" or not isinstance(action, bytes):
        return action
    # A greeting has no tag, and it turns away with BYE.
    return action.replace(b"{tag} NO [", b"* BYE [").replace(b"{tag}", b"*")


def _shut() -> Iterator[Cell]:
    """The fault lasts, and the mail is unverified although it lies there: never lost, and never found."""
    for stage, (phase, _) in SHUT.items():
        for fault in FAULTS:
            action = _action(stage, fault)
            script = {phase: [DEFAULT, action] * 9 if stage == "CAPABILITY" else action}
            must = expected(stage, fault)
            final = must.error_type is ErrorType.AUTH
            # What is final ends the check at once, however long it could wait.
            max_wait = AMPLE if must.ok or final else OVER if fault in SILENT else BRIEF
            yield _cell(stage, fault, must, script, max_wait=max_wait, connections=1 if must.ok or final else None)


def _challenges() -> Iterator[Cell]:
    """Where the server asks first (SCRAM): what is none of the mechanism's messages gets no answer, and no proof."""
    refused = unread("login", ErrorType.AUTH)
    for fault, action in {
        "not base64": b"+ %%%\r\n",
        "another message": b"+ %b\r\n" % NO_MESSAGE,
        "too many iterations": b"+ %b\r\n" % TOO_DEAR,
        "agrees too early": b"{tag} OK welcome\r\n",
    }.items():
        yield _cell(CHALLENGE, fault, refused, {"challenge": action}, mechanism="SCRAM-SHA-256", connections=1)
    endless = {"challenge": Endless(b"+ %b\r\n" % NO_MESSAGE * 1000)}
    must = unread("login", ErrorType.MAILBOX)
    yield _cell(CHALLENGE, "challenges without end", must, endless, mechanism="SCRAM-SHA-256", max_wait=BRIEF)
    for fault in LATER:
        if fault == HARMLESS:
            continue
        must = expected("login", fault)
        final = must.error_type is ErrorType.AUTH
        max_wait = AMPLE if final else OVER if fault in SILENT else BRIEF
        script = {"challenge": FAULTS[fault]}
        yield _cell(CHALLENGE, fault, must, script, mechanism="SCRAM-SHA-256", max_wait=max_wait)


def _passing() -> Iterator[Cell]:
    """The fault is there once, and the next connection finds the message: one fault of each kind, at login each no."""
    for stage, (phase, _) in SHUT.items():
        for fault in dict.fromkeys([*PASSING, *(REFUSALS if stage == "login" else ())]):
            if (must := expected(stage, fault)).ok:
                continue
            action = _action(stage, fault)
            script = {phase: [DEFAULT, action] if stage == "CAPABILITY" else [action]}
            final = must.error_type is ErrorType.AUTH
            asked_again = (stage, fault) == ("FETCH", "NO")  # in another way, on the same connection
            connections = 1 if final or asked_again else None if fault in SILENT else 2
            yield _cell(stage, f"{fault}, once", must if final else delivered(), script, connections=connections)


def _junk() -> Iterator[Cell]:
    """The STATUS of the junk folder: a refusal is no reason not to look into it, at the latest in the end."""
    for fault, action in FAULTS.items():
        kind = KINDS.get(fault, ErrorType.MAILBOX)
        refused = fault in (*REFUSALS, HARMLESS)
        must = lost() if refused else unread("search", kind)
        yield _cell("STATUS", f"{fault}, and nothing arrives", must, {"status": action}, arrives=False, max_wait=BRIEF)
    junked = Expected(Outcome.JUNKED, None, None, None, 1, SOON, status=Status.WARNING, copies=1)
    script = {"status": FAULTS["NO"]}
    yield _cell("STATUS", "NO, and it is in Junk", junked, script, folder="Junk", max_wait=BRIEF, remain=0)


def _waiting() -> Iterator[Cell]:
    """The message comes while the check waits, and the fault hides that it does."""
    for stage, phase in WAITING.items():
        for fault in LATER:
            action = FAULTS[fault]
            options: dict[str, Any] = {"cue": "idle" if stage == "DONE" else phase}
            if stage != "NOOP":
                # A server that is silent in IDLE is noticed when its slice is over, here by the end of the time.
                options |= {"tight": 0.0, "max_wait": 1.0}
            yield _cell(stage, f"{fault}, once", delivered(), {phase: [action]}, **options)


def _never() -> Iterator[Cell]:
    """Nothing arrives: it is lost if a connection could see that, and else unverified."""
    never: dict[str, Any] = {"arrives": False, "max_wait": SHORT}
    idle = never | {"tight": 0.0}
    at_once = b"{tag} OK enough\r\n"
    gone: list[Action] = [DEFAULT, *[CLOSE] * 9]
    for stage, fault, must, script, options in (
        ("LIST", "NO", lost(), {"list": FAULTS["NO"]}, never),
        ("FETCH", "NO", unread("search", ErrorType.MAILBOX), {"fetch": FAULTS["NO"]}, never),
        ("NOOP", "NO", lost(), {"noop": FAULTS["NO"]}, never),
        ("NOOP", "close", lost(), {"noop": CLOSE}, never),
        ("NOOP", "silence", lost(), {"noop": SILENCE}, never),
        ("IDLE start", "NO", lost(), {"idle": FAULTS["NO"]}, idle),
        ("IDLE start", "close", lost(), {"idle": CLOSE}, idle),
        ("IDLE start", "silence", lost(), {"idle": SILENCE}, idle),
        ("IDLE", "close", lost(), {"idling": CLOSE}, idle),
        ("IDLE", "silence", lost(), {"idling": SILENCE}, idle),
        ("IDLE", "over at once", lost(), {"idling": at_once}, idle | {"connections": 1}),
        ("DONE", "silence", lost(), {"done": SILENCE}, idle),
    ):
        yield _cell(stage, f"{fault}, and nothing arrives", must, script, **options)
    refused = unread("connect", ErrorType.CONNECTION)
    shut = {"idling": SILENCE, "greeting": gone}
    yield _cell("IDLE", "silence, and no connection after it", refused, shut, cue="idling", tight=0.0, max_wait=SHORT)


def _after() -> Iterator[Cell]:
    """The message is found: whatever happens then is a note, and the worst is that it stays there."""
    for stage, phase in FOUND.items():
        for fault in LATER:
            action = FAULTS[fault]
            fails = stage != "LOGOUT" and fault != HARMLESS
            # The scripted server does as it is told before it says something else.
            remain = int(fails and stage != "EXPUNGE")
            noted = "After the message was found the mailbox failed" if fails else ""
            yield _cell(
                stage, fault, delivered(within=SOON + 2), {phase: action}, remain=remain, noted=noted, connections=1
            )
