"""What the fields of single products and providers say, each in its own form. See fields."""

import re

from tasks.mail.journey.filters import fields
from tasks.mail.journey.filters.fields import MatchedRule, Said, called_spam, named_rules, number_in
from tasks.mail.model.safe_text import one_line

_MAX_REASON_CHARS = 60
_IN_PARENTHESES = re.compile(r"\(([^()]{1,200})\)")
_REQUIRED = re.compile(rf"\brequired[ =]{fields.NUMBER}", re.IGNORECASE)
_PROBABILITY = re.compile(rf"\bProbability={fields.NUMBER}%", re.IGNORECASE)
_REPORTED = re.compile(r"\bReport='([^']*)", re.IGNORECASE)
_PROBABLE = 50.0  # per cent, from which Sophos calls a message spam unless configured otherwise
_SPACED_RULE = re.compile(rf"\b{fields.NAME} ?\({fields.NUMBER}\)")
_POINTS = re.compile(rf"^(.*?)(?: - )?\(Score: {fields.NUMBER}\)")
_FINE = {"ok", "disabled", "none", "pass", "neutral", "not_checked"}
_YANDEX = {"1": False, "4": True}


def mailscanner(text: str) -> Said:
    """X-MailScanner-SpamCheck: `spam, SpamAssassin (not cached, score=7.1, required 6, BAYES_99 3.50)`."""
    return Said(
        number_in(fields.SCORE, text),
        number_in(_REQUIRED, text),
        called_spam(text),
        named_rules(fields.RULE_AND_SCORE, text),
    )


def bar_or_score(text: str) -> Said:
    """X-MailScanner-SpamScore: `sssssss`, or a number."""
    found = fields.level(text)
    return found if found != Said() else fields.score(text)


def gmx(text: str) -> Said:
    """X-GMX-Antispam: `0 (Mail was not recognized as spam)`; more than 0 names what has recognized it."""
    found, words = number_in(fields.FIRST_NUMBER, text), _IN_PARENTHESES.search(text)
    if found is None:
        return Said()
    spam = found > 0
    return Said(spam=spam, reasons=(_reason(words[1]),) if spam and words else ())


def sophos(text: str) -> Said:
    """X-PMX-Spam and X-SEA-Spam: `Gauge=XXXXXXXXX, Probability=99%, Report='RULE 0.1, ...'`."""
    probability, report = number_in(_PROBABILITY, text), _REPORTED.search(text)
    return Said(
        probability,
        None if probability is None else _PROBABLE,
        None,
        named_rules(fields.RULE_AND_SCORE, report[1] if report else ""),
    )


def probability(text: str) -> Said:
    """X-SASI-SpamProbability: `8%`."""
    found = number_in(fields.FIRST_NUMBER, text)
    return Said(found, None if found is None else _PROBABLE)


def ovh_reason(text: str) -> Said:
    """X-Ovh-Spam-Reason: `vr: SPAM; dkim: disabled; spf: disabled`."""
    pairs = [part.partition(":") for part in text.split(";") if ":" in part]
    named = [f"{what.strip()}: {said.strip()}" for what, _, said in pairs if said.strip().lower() not in _FINE]
    return Said(reasons=tuple(map(_reason, named)))


def hmailserver_reason(text: str) -> Said:
    """X-hMailServer-Reason-1: `Tagged as Spam by SpamAssassin - (Score: 5)`."""
    found = _POINTS.match(text)
    return Said(reasons=(MatchedRule(one_line(found[1].strip(), _MAX_REASON_CHARS), float(found[2])),) if found else ())


def spaced_rules(text: str) -> Said:
    """X-Spam-Result of Stalwart: `DKIM_ALLOW (-0.20), BAYES_SPAM (3.00)`."""
    return Said(reasons=named_rules(_SPACED_RULE, text))


def ironport(text: str) -> Said:
    """X-IronPort-Anti-Spam-Filtered: that it was looked at."""
    return Said(action="scanned" if called_spam(text) else "")


def opaque(text: str) -> None:
    """What only its maker can read, such as X-IronPort-Anti-Spam-Result."""


def yandex(text: str) -> Said:
    return Said(spam=_YANDEX.get(text.strip()))


def _reason(text: str) -> MatchedRule:
    return MatchedRule(one_line(text.strip(), _MAX_REASON_CHARS))
