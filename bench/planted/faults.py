r"""Some forty changes of one condition or constant each, which the tests ought to find.

Each is a place in the code or its tables of words, given by what stands there and not by a file, so that it is found
wherever it is moved: a pattern that fits one place of flows/ and tasks/, whose one group is replaced. In a pattern a
blank stands for any white space, and for none beside a bracket, so that it fits however the line is broken; names that
may be given another one are `\w+`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`room`: whose tests are run first. `breaks`: what no longer holds. The group of a pattern becomes `new`.

    `patterns`: ways in which the place may be written; of all of them together one fits once.
    """

    room: str
    breaks: str
    patterns: tuple[str, ...]
    new: str

    @property
    def name(self) -> str:
        return f"{self.room}: {self.breaks}"


def fault(room: str, breaks: str, *patterns: str, new: str) -> Fault:
    return Fault(room, breaks, patterns, new)


FAULTS = (
    # -- which message is the probe
    fault(
        "match",
        "another run's probe is refused by its id",
        r'if \w+\( message, "X-Mail-Loop-Id" \) - \{ probe\.id \}(:)',
        new=" and not message:",
    ),
    fault(
        "match",
        "a probe without the loop's name is a copy, and not ours to delete",
        r'Match\.OWN if \w+\( message, "X-Mail-Loop-Name" \) (==) \{ probe\.loop \}',
        new="<=",
    ),
    fault(
        "match",
        "what an autoresponder sends is an answer",
        r'startswith\( "auto-(replied)" \)',
        new="answered",
    ),
    fault("match", "a body that names the id twice quotes the probe", r"text\.count\( number \) (==) 1 and", new=">="),
    fault(
        "match",
        "what encloses the probe and comes as a bounce is a report",
        r"return Match\.REPORT if arrived in \( (Match\.ENCLOSED, )Match\.NO \)",
        new="",
    ),
    # -- bounces
    fault(
        "bounce",
        "a notice that returns another message is not ours",
        r"_is_another\(.{1,99}?return (False)",
        new="True",
    ),
    fault(
        "bounce",
        "an autoresponse that names the probe is no notice",
        r"notice\.named == \{ .{1,60}? \} and \( notice\.has_status or( not) \w+\( notice",
        new="",
    ),
    fault("bounce", "a report of a delay is no bounce", r'"delayed": (DELAYED)', new="FAILED"),
    fault("bounce", "a report with a 5.y.z status and no action is a bounce", r'case "(5)": return FAILED', new="6"),
    fault("bounce", "x.0.0 gives way to a code that says more", r'status\.endswith\( "\.0(\.0)" \)', new=".0.0"),
    # -- hops and clocks
    fault("hops", "hops are told oldest first", r"for value in (reversed\( received \))", new="received"),
    fault("hops", "the last date of a field counts", r"found\[ (-1) \]\.groupdict\(", new="0"),
    fault(
        "hops", "two digits of a year from 50 on are of the last century", r"2000 if year < (50) else 1900", new="60"
    ),
    fault("hops", "two clocks may differ by the grain and a tolerance", r"early - late > GRAIN (\+) \w+:", new="-"),
    fault("hops", "a witness counts one vote", r"clocks\[ 0 \]\.votes \+= (1)", new="0"),
    # -- the ledger
    fault(
        "ledger",
        "a probe is left alone until its check is surely over",
        r"terms\.now - begun > \w+\.lost_after (\+) ",
        new="-",
    ),
    fault(
        "ledger",
        "a delay beyond the wait was told as lost",
        r"Reported\.LOST if \w+ is not None and \w+ > (terms\.lost_after)",
        new="2 * terms.lost_after",
    ),
    fault(
        "ledger", "a delay longer than there was time for is not believed", r"-CLOCK_SLACK <= \w+ <= (min)\(", new="max"
    ),
    fault(
        "ledger",
        "no probe is claimed by the flag that says it was told",
        r"folder\.mark\( fresh, (\w+) \)",
        new='"$MailLoopTold"',
    ),
    fault("ledger", "without a key nothing is signed", r"if (not key or) any\( len\( \w+ \) != 1", new=""),
    # -- SMTP
    fault("smtp", "each 4yz is temporary", r"if 400 <= code < (500): return ErrorType\.TEMPORARY", new="460"),
    fault("smtp", "a 4yz after the body is an answer, not a doubt", r"found\.(?:smtp_)?code < (400) \)", new="500"),
    fault(
        "smtp",
        "in clear the password is not shown where it need not be",
        r'"cram-md5", "plain", "login" \] if \w+\.smtp\.tls (==) "none"',
        r'"CRAM-MD5", "PLAIN", "LOGIN" \) if \w+\.\w+\.tls (==) "none"',
        r"in_clear=self\._tls (is) None",
        new="!=",
    ),
    fault(
        "smtp",
        "a relay that cannot prove that it knows the password gets no mail",
        r"if (not )hmac\.compare_digest\( b64decode",
        new="",
    ),
    fault(
        "smtp", "a recipient that is refused is told as such", r'ErrorType\.RECIPIENT if stage == "(rcpt)"', new="data"
    ),
    fault("smtp", "a bare word behind Ok is no queue id", r"len\( name \) >= (8) and", new="2"),
    # -- IMAP
    fault("imap", "a stranger's message is never deleted", r"row\.uid in \w+ (and) is_ours\( row", new="or"),
    fault(
        "imap",
        "a folder that was made anew is left alone",
        r"view\.uidvalidity (==) (?:uidvalidity|refs\[0\])",
        new=">=",
    ),
    fault("imap", "our own Recent is not others'", r"if view\.recent (>) ours: ", new=">="),
    fault(
        "imap",
        "what was offered in clear does not count in TLS",
        r"await self\._start_tls\( context \) (self\.capabilities = frozenset\(\))",
        new="pass",
    ),
    fault("imap", "PREAUTH leaves no room for STARTTLS", r'if greeting\.status == "(PREAUTH)": text', new="BYE"),
    fault("imap", "the memory that a server can take is bounded", r"if self\._octets > (\w+):", new="10**12"),
    # -- causes
    fault("causes", "what a server has trouble with lies behind it", r"found in \w+ and stage (!=) RETURNED", new="=="),
    fault(
        "causes",
        "5.2.1 is a disabled recipient",
        r'"5\.2\.1": Cause\.(RECIPIENT_DISABLED)',
        r'Cause\.(RECIPIENT_DISABLED): "5\.2\.1 ',
        new="MOVED",
    ),
    fault(
        "causes", "words count before AUTHENTICATIONFAILED", r"final if final is( not) Cause\.WRONG_PASSWORD", new=""
    ),
    fault("causes", "DKIM is about the sender's authentication", r'"spf(/dkim)/dmarc"', new=""),
    # -- verdicts
    fault("verdict", "two copies are a duplicate", r"if len\( found\.hits \) > (1):", new="2"),
    fault(
        "verdict",
        "a refused password is rejected whatever the digit",
        r"400 <= code < 500 and cause (not in) \w+",
        r"400 <= code < 500 and \w+\( [\w., ]+ \) (not in) \w+",
        new="in",
    ),
    fault(
        "verdict",
        "a message in doubt that is not there was not accepted",
        r"if sent\.doubt is( not) None: return _in_doubt\( loop\.smtp",
        r"if sent\.doubt is( not) None: return _in_doubt\( sent\.doubt, looked_for=True",
        new="",
    ),
    fault(
        "verdict",
        "only a message that is there outweighs the relay's word",
        r"isinstance\( sent, Receipt \) or \( isinstance\( found, Arrival \) (and) found\.hits \)",
        new="or",
    ),
    # -- redaction
    fault("redaction", "more than half of a password is hidden", r"max\( \w+, length // (2) \+ 1 \)", new="1"),
    fault("redaction", "base64 is known at each of three places", r"for shift in range\( (3) \)", new="1"),
    fault(
        "redaction",
        "our own words are shown in sentences of ours only",
        r"\( mixed (and) \w+\( text\[ start:end \] \) in",
        new="or",
    ),
)
