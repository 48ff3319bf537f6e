"""What a message is whose header does not tell: by its body. Pure."""

from tasks.mail.journey.filters.ratings import filters
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import HEADERS, Match, arrival, body_has_id, is_report
from tasks.mail.probe.octets import MOST_HEADER_LINES, bounded
from tasks.mail.probe.wrapped import wrapped


def match_body(raw: bytes, probe: Probe) -> Match:
    """OWN, COPY or NO, of a message that is no report of a failure: that is asked before."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    if is_report(message):
        return Match.NO
    kind = arrival(message, probe)
    if kind is Match.PERHAPS and body_has_id(raw, probe):
        return Match.COPY
    return wrapped(raw, probe, _is_marked(raw)) if kind in (Match.PERHAPS, Match.ENCLOSED) else kind


def is_own(raw: bytes, probe: Probe) -> bool:
    """Whether a message is the probe, by its own header or by that of the message in it, and so ours to delete."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    if is_report(message):
        return False
    return arrival(message, probe) is Match.OWN or wrapped(raw, probe, _is_marked(raw)) is Match.OWN


def _is_marked(raw: bytes) -> bool:
    """Whether the header says that the message is spam."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    return any(rating.spam for rating in filters([(name, str(value)) for name, value in message.items()]))


def without_own_lines(raw: bytes, probe: Probe) -> bytes:
    """A message without what the probe itself says: the name of a loop may read like a refusal."""
    own = {line.strip() for line in probe.content.partition(b"\r\n\r\n")[2].splitlines() if line.strip()}
    lines = (line for line in raw.splitlines(keepends=True) if line.strip() not in own)
    return b"".join(lines).replace(probe.subject.encode(), b"")
