"""The DKIM signatures of a message, verified by ourselves (RFC 6376): a cross-check of what the receiver states.

With dkimpy, which is installed with the extra `dkim`, and the DNS of this machine.
"""

import logging
from collections.abc import Callable

from tasks.mail.model.journey_record import AuthenticationRecord, SignatureRecord
from tasks.mail.model.safe_text import one_line

MOST_SIGNATURES = 5  # a message may carry any number; honest ones have two or three
_DNS_SECONDS = 5  # for one key

_Lookup = Callable[..., bytes | None]

log = logging.getLogger(__name__)


def signatures(raw: bytes, lookup: _Lookup | None = None) -> tuple[SignatureRecord, ...]:
    """Verify what a message is signed with. It blocks for as long as the DNS takes; `lookup` gets TXT records."""
    import dkim  # not above: it is optional

    verifier = dkim.DKIM(raw, timeout=_DNS_SECONDS)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    return tuple(_verified(raw, place, lookup or dkim.get_txt) for place in range(min(count, MOST_SIGNATURES)))


def _verified(raw: bytes, place: int, lookup: _Lookup) -> SignatureRecord:
    import dkim

    silent: list[Exception] = []

    def ask(name: bytes, timeout: int = _DNS_SECONDS) -> bytes | None:
        """Look a key up; dkimpy takes the failure of it for that of the signature."""
        try:
            return lookup(name, timeout=timeout)
        except Exception as error:
            silent.append(error)
            raise

    verifier = dkim.DKIM(raw, timeout=_DNS_SECONDS)
    valid, reason = False, "the signature does not fit the message or its key"
    try:
        valid = bool(verifier.verify(place, dnsfunc=ask))
    except dkim.DKIMException as error:
        reason = str(error)
    except Exception as error:  # what a stranger puts into a signature or a key may break the parsers of others
        log.info("A signature could not be read: %s", type(error).__name__)
        reason = f"it could not be read ({type(error).__name__})"
    domain, selector = _text(verifier.domain), _text(verifier.selector)
    if silent:
        return SignatureRecord(domain, selector, None, "the DNS did not answer")
    return SignatureRecord(domain, selector, valid, "" if valid else one_line(reason))


def _text(value: object) -> str:
    return one_line(value.decode("utf-8", "replace")) if isinstance(value, bytes) else ""


def disagreement(found: tuple[SignatureRecord, ...], stated: AuthenticationRecord) -> str | None:
    """Half a sentence where the receiver says otherwise; None where both agree, or one of them says nothing."""
    results = {method.result for method in stated.methods if method.method == "dkim"}
    known = [signature for signature in found if signature.valid is not None]
    if not (results and known):
        return None
    ours = any(signature.valid for signature in known)
    if ours == ("pass" in results):
        return None
    one = next(signature for signature in known if signature.valid is ours)
    here = "is valid here" if ours else f"is not valid here ({one.reason})"
    return f"the receiver states that DKIM is {', '.join(sorted(results))}, but the signature of {one.domain} {here}"
