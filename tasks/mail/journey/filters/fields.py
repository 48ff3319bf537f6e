"""What one header field of a spam filter says.

None of these fields has a standard; they are read as the filters' own documents and real mail have them. What is not
understood is left out, nothing is ever an error, and time is linear in the length, whatever a stranger wrote.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tasks.mail.model.safe_text import one_line

NUMBER = r"([-+]?[0-9]{1,6}(?:\.[0-9]{1,6})?)(?![0-9]|\.[0-9])"
FIRST_NUMBER = re.compile(NUMBER)
# The first word of a verdict; what is neither, such as "unsure", says nothing.
_SPAM = re.compile(
    r"['\"\s]*(?:yes|true|spam|junk|positive|detected|phish(?:ing)?|scam|malware)(?![a-z])", re.IGNORECASE
)
_HAM = re.compile(
    r"['\"\s]*(?:no[tn]?|not?[ _-]?(?:spam|junk)|none?|nonspam|false|ham|clean|ok|pass(?:ed)?|negative|innocent"
    r"|legit(?:imate)?|good)(?![a-z])",
    re.IGNORECASE,
)
SCORE = re.compile(rf"\b(?:score|hits)=\s?{NUMBER}", re.IGNORECASE)
_REQUIRED = re.compile(rf"\brequired=\s?{NUMBER}", re.IGNORECASE)
# Exim's and SpamAssassin's report: (1.2 points, 5.0 required), (-1.9 / 5.0 requ)
_TOTAL = re.compile(rf"\(\s?{NUMBER} (?:points,|/) {NUMBER} requ")
NAME = r"([A-Z][A-Z0-9_]{0,63}+)"
_RULE = re.compile(rf"\b{NAME}(?:={NUMBER})?(?!\w)")
RULE_AND_SCORE = re.compile(rf"\b{NAME}[=( ]{NUMBER}")
_LISTED = re.compile(rf"(?<![\w.])(-?[0-9]{{1,6}}\.[0-9]{{1,6}}) {NAME}(?= |$)")
_RSPAMD_TOTAL = re.compile(rf"(?:[\w-]{{1,40}}:)? ?(True|False) \[ ?{NUMBER} ?/ ?{NUMBER} ?\]", re.IGNORECASE)
_OPTIONS = re.compile(r"\[[^\[\]]*\]")  # of a symbol of rspamd; they may hold anything
_LEVELS = re.compile(rf"\b(?:TAG|QUARANTINE|KILL)_LEVEL=\s?{NUMBER}")
_OFF = 1000.0  # Barracuda's level that is never reached
_PAIR = re.compile(r"\b(\w{1,40})=([\w.-]{1,80})")
_LEVEL = re.compile(r"-?\d{1,2}", re.ASCII)
_BCL = re.compile(r"\s*BCL:(\d{1,2})(?!\d)", re.ASCII)

_SPAM_SCL = 5.0  # Exchange: 5 and 6 are spam, 7 to 9 are so for sure
_SPAM_SFV = {"SPM", "SKS", "SKB", "BLK"}
_HAM_SFV = {"NSPM", "SKN", "SKA", "SKI", "SKQ", "SFE"}
_NOT_JUNKED = {"no action", "greylist"}
_JUNKED = {"add header", "rewrite subject", "reject", "quarantine", "discard"}
_PROOFPOINT_KINDS = ("spam", "phish", "malware", "bulk", "suspect", "impostor", "adult")


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A rule that matched, and by how much it moved the score; None where the filter does not say."""

    name: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a field says; what it is silent about is None or empty."""

    score: float | None = None
    threshold: float | None = None
    spam: bool | None = None
    reasons: tuple[MatchedRule, ...] = ()
    action: str = ""


# Of a value in one line. None: the field is not the receiver's, or says nothing.
FieldReader = Callable[[str], Said | None]


def spam_status(text: str) -> Said:
    """X-Spam-Status of SpamAssassin, Amavis and rspamd."""
    rules = re.split(r" (?:autolearn|version)=", text.partition("tests=")[2], maxsplit=1)[0]
    return Said(
        number_in(SCORE, text),
        number_in(_REQUIRED, text),
        called_spam(text),
        named_rules(_RULE, rules.partition("]")[0]),
    )


def report(text: str) -> Said:
    """A list of rules with their scores, in front of them or behind."""
    total = _TOTAL.search(text)
    listed = [MatchedRule(found[2], float(found[1])) for found in _LISTED.finditer(text)]
    return Said(
        score=float(total[1]) if total else None,
        threshold=float(total[2]) if total else None,
        reasons=tuple(listed) or named_rules(RULE_AND_SCORE, text),
    )


def score(text: str) -> Said:
    """A score alone, perhaps with a bar behind it."""
    return Said(score=number_in(FIRST_NUMBER, text))


def level(text: str) -> Said:
    """A bar as long as the score: `***`, `++`, `--`; `/` is about zero."""
    bar = text.strip()
    sign = {"*": 1, "+": 1, "s": 1, "-": -1, "/": 0}.get(bar[:1])
    return Said() if sign is None or bar.strip(bar[0]) else Said(score=float(sign * len(bar)))


def flag(text: str) -> Said:
    """A verdict in a word: yes, no, spam, ham and the like."""
    return Said(spam=called_spam(text))


def rspamd_result(text: str) -> Said | None:
    """X-Spamd-Result. Its threshold is that of rejection, and False says only that it was not reached."""
    total = _RSPAMD_TOTAL.match(text)
    if total is None:
        return None
    rules = named_rules(RULE_AND_SCORE, _OPTIONS.sub(" ", text[total.end() :]))
    return Said(float(total[2]), float(total[3]), total[1].lower() == "true", rules)


def rspamd_action(text: str) -> Said:
    action = text.strip().lower()
    return Said(
        spam=False if action in _NOT_JUNKED else True if action in _JUNKED else None, action=one_line(action, 60)
    )


def forefront(text: str) -> Said | None:
    """X-Forefront-Antispam-Report of Exchange, unless it is of the service that sent the message (DIR:OUT)."""
    parts = (part.partition(":") for part in reversed(text.split(";")))  # so that the first of a name stays
    said = {key.strip().upper(): value.strip().upper() for key, _, value in parts}
    if said.get("DIR") == "OUT":
        return None
    scl, verdict, category = organization_scl(said.get("SCL", "")), said.get("SFV", ""), said.get("CAT", "NONE")
    spam = True if verdict in _SPAM_SFV else False if verdict in _HAM_SFV else scl.spam
    names = [f"CAT:{category}"] if category not in ("", "NONE") else []
    names += [f"SFV:{verdict}"] if verdict not in ("", "NSPM") else []
    return Said(scl.score, scl.threshold, spam, tuple(MatchedRule(one_line(name, 60)) for name in names))


def organization_scl(text: str) -> Said:
    """The spam confidence level, -1 to 9."""
    found = _LEVEL.fullmatch(text.strip())
    return Said(float(found[0]), _SPAM_SCL, float(found[0]) >= _SPAM_SCL) if found else Said()


def bulk(text: str) -> Said:
    """X-Microsoft-Antispam: the bulk complaint level."""
    found = _BCL.match(text)
    return Said(reasons=(MatchedRule("BCL", float(found[1])),) if found else ())


def mailbox_delivery(text: str) -> Said:
    """X-Microsoft-Antispam-Mailbox-Delivery: where the mailbox put the message."""
    found = re.search(r"\bdest:(\w{1,10})", text)
    return Said(action={"J": "junk folder", "I": "inbox"}.get(found[1], f"dest:{found[1]}") if found else "")


def barracuda(text: str) -> Said:
    """X-Barracuda-Spam-Status; the threshold is the lowest of its levels that is in use."""
    levels = [value for value in (float(found[1]) for found in _LEVELS.finditer(text)) if value < _OFF]
    rules = named_rules(_RULE, text.partition("tests=")[2])
    return Said(number_in(SCORE, text), min(levels, default=None), called_spam(text), rules)


def proofpoint(text: str) -> Said | None:
    """X-Proofpoint-Spam-Details, from 0 to 100, unless it is of the service that sent the message."""
    said: dict[str, str] = dict(reversed(_PAIR.findall(text)))
    rule = said.get("rule", "")
    if not rule or "outbound" in (rule, said.get("policy"), said.get("route")) or rule.startswith("outbound"):
        return None
    spam = False if rule.endswith("notspam") else True if rule.endswith("spam") else None
    scores = [(kind, number_in(FIRST_NUMBER, said.get(f"{kind}score", "0"))) for kind in _PROOFPOINT_KINDS]
    total = number_in(FIRST_NUMBER, said.get("score", ""))
    rules = tuple(MatchedRule(kind, value) for kind, value in scores if value)
    return Said(total, None, spam, rules, one_line(rule, 60))


def amazon(text: str) -> Said:
    verdict = text.strip().upper()
    return Said(spam={"PASS": False, "FAIL": True}.get(verdict), action=one_line(verdict.lower(), 60))


def called_spam(text: str) -> bool | None:
    """Whether a field calls the message spam; None where it says neither."""
    return True if _SPAM.match(text) else False if _HAM.match(text) else None


def named_rules(pattern: re.Pattern[str], text: str) -> tuple[MatchedRule, ...]:
    pairs: Iterable[tuple[str, str | None]] = ((found[1], found[2]) for found in pattern.finditer(text))
    return tuple(MatchedRule(name, None if number is None else float(number)) for name, number in pairs)


def number_in(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1]) if found else None
