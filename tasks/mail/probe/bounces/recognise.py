"""What a notice says: that a message bounced or is delayed, why, and which server says so.

A status part (RFC 3464) comes first; what it does not say, the text may.
"""

import re
from email.message import Message
from email.utils import parseaddr

from tasks.mail.model.outcome import DELAYED, FAILED
from tasks.mail.model.result import BounceRecord
from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.bounces import parts
from tasks.mail.probe.bounces.parts import Group, Notice
from tasks.mail.probe.bounces.reason import LETTERS, code_in, is_permanent, is_vague, reason_in, refuses, replies
from tasks.mail.probe.bounces.words import REJECTS, SAYS_TRYING, TITLE_GIVEN_UP, TITLE_TRYING, UNREAD
from tasks.mail.probe.match import LONGEST_VALUE, decoded, is_autoreply

_ACTIONS = {"failed": FAILED, "failure": FAILED, "delayed": DELAYED}
_NEITHER = {"delivered", "deliverable", "relayed", "expanded"}
# A receipt that a filter of the mailbox wrote (RFC 5429) says that it rejects. That a message was thrown away,
# unread, is said in the same fields.
_REFUSAL = re.compile(r"automatic-action */[^;]*; *(?:deleted|rejected)", re.IGNORECASE)

# Who writes notices, and marks some of them as answers. A person's autoresponder has a person's name.
_SYSTEM = re.compile(
    r"\bmailer-?daemon\b|\bpost_?master\b|\bmdaemon\b|\bsystem administrator\b|\bdelivery (?:sub)?system\b"
    r"|\bmail(?:er)?[ .-]?(?:delivery|admin|daemon|system)",
    re.IGNORECASE,
)

_VACATION = re.compile(r"\bvacation\b", re.IGNORECASE)


def is_autoresponse(message: Message) -> bool:
    """Whether an autoresponder sent it: servers may mark what they write in the same way."""
    system = _SYSTEM.search(decoded(message.get("From"))) and not _VACATION.search(
        str(message.get("Auto-Submitted", ""))
    )
    return is_autoreply(message) and not system


def recognise(notice: Notice) -> BounceRecord | None:
    """The bounce or the delay that a notice reports, whatever message it is about; None where it reports neither."""
    action, about = _action(notice)
    if action is None:
        return None
    message, in_text = notice.message, reason_in(notice.text, notice.subject, action == FAILED)
    said = parts.without_type(about.get("diagnostic-code", ""))
    if len(said) < 4 or not LETTERS.search(said):
        comments = (parts.comment_of(about.get(name, "")) for name in ("status", "action"))
        said = in_text.words or next(filter(None, comments), "") or said
    status = parts.without_comment(about.get("status", ""))
    if is_vague(status):
        status = code_in(said) or in_text.code or (status if parts.STATUS.fullmatch(status) else "")
    return BounceRecord(
        action=action,
        status=one_line(status),
        diagnostic=said,
        recipient=parts.without_type(about.get("final-recipient", ""))
        or one_line(decoded(message.get("X-Failed-Recipients"))),
        reporting_mta=_reporting(notice),
        remote_mta=parts.server_name(about.get("remote-mta", "")) or _first(_REMOTES, f"{said}\n{notice.text}"),
    )


def _reporting(notice: Notice) -> str:
    """The server that it names as its own, or else the domain that it comes from."""
    named = (
        parts.first_value(notice.groups, "reporting-mta")
        or parts.first_value(notice.dispositions, "reporting-ua").partition(";")[0]
    )
    sender = parseaddr(decoded(notice.message.get("From"))[:LONGEST_VALUE])[1]
    return parts.server_name(named) or _first(_REPORTINGS, notice.text) or one_line(sender.partition("@")[2])


def _action(notice: Notice) -> tuple[str | None, Group]:
    """Whether the message failed or is delayed, and the fields that say so."""
    if notice.is_feedback:
        return None, {}
    if notice.dispositions:
        return (FAILED if _rejects(notice) else None), {**notice.dispositions[0], "status": ""}
    about = [group for group in notice.groups if not group.keys().isdisjoint(parts.PER_RECIPIENT)]
    for action in (FAILED, DELAYED):
        if found := next((group for group in about if _ACTIONS.get(_done(group)) == action), None):
            return action, found
    unclear = [group for group in about if _done(group) not in _NEITHER]
    if about and not unclear:
        return None, {}
    found = unclear[0] if unclear else {}
    match found.get("status", "")[:1]:
        case "5":
            return FAILED, found
        case "2":
            return None, found
    return _in_words(notice), found


def _done(group: Group) -> str:
    return parts.without_comment(group.get("action", "")).lower()


def _rejects(notice: Notice) -> bool:
    refused = any(_REFUSAL.match(group.get("disposition", "")) for group in notice.dispositions)
    return refused and bool(REJECTS.search(notice.text)) and not UNREAD.search(notice.text)


def _in_words(notice: Notice) -> str | None:
    """What the text says; where it says both, the message is still tried, for that is what a delay has to say."""
    message, lines = notice.message, notice.text.split("\n")
    if not notice.groups and is_autoresponse(message):
        return None
    own = (line for line in lines if not any(map(is_permanent, replies([line]))))  # what no other server said
    words = " ".join(" ".join(own).split())
    titled = TITLE_GIVEN_UP.search(notice.subject) is not None
    if SAYS_TRYING.search(words) or (TITLE_TRYING.search(notice.subject) and not titled):
        return DELAYED
    return FAILED if titled or refuses(notice.text) or "X-Failed-Recipients" in message else None


_NAME = r"(?:[A-Za-z0-9_-]{1,63}\.){1,10}[A-Za-z][A-Za-z0-9-]{1,62}"
_ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f.:]{2,45}\]|\[IPv6:[0-9A-Fa-f.:]{2,45}\]"
_HOST = rf"((?:{_NAME}|{_ADDRESS}))\.?"

# Who refused, or could not be reached.
_REMOTE = (
    rf"(?:^[ \t]{{0,40}}|[>:;,] |\bRCPT )host:? {_HOST}",  # Exim, Postfix, GMX
    rf"\bwhile talking to {_HOST}",  # Sendmail
    rf"<{_HOST} #",  # Exchange
    rf"\bby the server for the recipient domain \S{{1,250}} by {_HOST}",  # Gmail
    rf"\b{_HOST} (?:\[\S{{1,50}}\] )?(?:gave this error|rejected your message|does not like (?:recipient|sender)"
    rf"|failed after I sent|said:|responded:|returned)",
    rf"\bgiving up on {_HOST}",  # qmail
    rf"\b(?:connect to|connected to|connection to|refused by|reset by|timed out with|lost connection with"
    rf"|conversation with) {_HOST}",
    rf"\b(?:SMTP|remote|receiving|destination|mail) (?:e?mail )?(?:server|host|mta|system):? [<(\[]?{_HOST}",
    rf"^[ \t]*Remote-MTA: ?(?:dns;)? ?{_HOST}",
)
# Who writes.
_REPORTING = (
    rf"\bgenerating server: {_HOST}",  # Exchange
    rf"\b(?:system|program|agent(?: v\S{{1,20}})?|mailer-daemon|server|postfix|daemon) (?:is )?(?:running )?(?:at"
    rf"|on)(?: host)? {_HOST}",
    rf"^[ \t]*Reporting-MTA: ?(?:dns;|dsn;)? ?{_HOST}",
)


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    return one_line(found[1]) if found else ""


def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.ASCII) for pattern in patterns)


_REMOTES, _REPORTINGS = _compiled(_REMOTE), _compiled(_REPORTING)
