"""What the codes of a reply mean where its words do not say more, by cause.

Enhanced codes: RFC 3463, with the registry of RFC 5248 (RFC 4954, 7372, 7505), by subject and detail, or whole where
the first digit makes a difference; 7.54 to 7.64, 7.5xx and 4.7.500 are Exchange Online's own. Codes: RFC 5321, 4954.
Response codes of IMAP: RFC 5530. A code that all use for everything, such as 550, stands in no table: it accuses
nobody.
"""

from collections.abc import Mapping

from tasks.mail.model.cause import Cause


def _by_code(codes: Mapping[Cause, str]) -> Mapping[str, Cause]:
    """The cause of each code. Raises ValueError where one stands twice."""
    pairs = [(code, cause) for cause, listed in codes.items() for code in listed.split()]
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError(f"a code stands twice: {pairs}")
    return found


ENHANCED_LOGIN = _by_code(
    {
        Cause.LOGIN_METHOD: "5.4 7.4 7.9 7.30 7.139",
        Cause.WRONG_PASSWORD: "7.3 7.8",
        Cause.TLS_REQUIRED: "7.11",
        Cause.PASSWORD_EXPIRED: "7.12",
        Cause.ACCOUNT_DISABLED: "7.13",
    }
)
ENHANCED = _by_code(
    {
        Cause.RECIPIENT_UNKNOWN: "1.1 1.3 1.4 1.6 7.17 7.18",
        Cause.RECIPIENT_DOMAIN: "1.2 1.10 4.4",
        Cause.SENDER_DOMAIN: "1.7 1.8 7.27",
        Cause.CONTENT_REFUSED: "1.9 6.0 6.1 6.2 6.3 6.6",
        Cause.ACCOUNT_LIMIT: "1.90",
        Cause.RATE_LIMIT: "4.2.1 2.121 2.122 5.3 7.28 4.7.500",
        Cause.RECIPIENT_DISABLED: "5.2.1 7.13",
        Cause.MAILBOX_FULL: "2.2",
        Cause.TOO_BIG: "2.3 3.4",
        Cause.SENDER_NOT_ALLOWED: "2.252 7.60",
        Cause.SERVER_TROUBLE: "3.0 3.1 3.2 3.5 4.3 4.5",
        Cause.UNREACHABLE: "4.1",
        Cause.DROPPED: "4.2",
        Cause.MAIL_LOOP: "4.6 4.14",
        Cause.EXPIRED: "4.7",
        Cause.POLICY: "5.7.1 7.2",
        Cause.TLS_REQUIRED: "7.10 7.11",
        Cause.SENDER_AUTHENTICATION: "7.20 7.21 7.22 7.23 7.24 7.26 7.29 7.515 7.509",
        Cause.REVERSE_DNS: "7.25",
        Cause.RELAY_DENIED: "7.54 7.64",
        Cause.LOGIN_REQUIRED: "7.57",
    }
)
CODES_LOGIN = _by_code(
    {
        Cause.LOGIN_UNAVAILABLE: "421 430 435 451 454",
        Cause.PASSWORD_EXPIRED: "432",
        Cause.LOGIN_METHOD: "500 501 502 503 504 534",
        Cause.ACCOUNT_DISABLED: "525",
        Cause.TLS_REQUIRED: "530 538",
        Cause.WRONG_PASSWORD: "535",
    }
)
CODES = _by_code(
    {
        Cause.SERVER_TROUBLE: "421 452",
        Cause.POLICY: "521",
        Cause.TOO_BIG: "523",
        Cause.LOGIN_REQUIRED: "530",
        Cause.TLS_REQUIRED: "538",
        Cause.RECIPIENT_UNKNOWN: "551",
        Cause.RECIPIENT_DOMAIN: "556",
    }
)
# Said of a token, it means that the token is wrong, or has no right to the mailbox.
SAID_OF_A_PASSWORD = frozenset({Cause.WRONG_PASSWORD, Cause.PASSWORD_EXPIRED})
RESPONSES_LOGIN = _by_code(
    {
        Cause.WRONG_PASSWORD: "AUTHENTICATIONFAILED",
        Cause.ACCOUNT_DISABLED: "AUTHORIZATIONFAILED CONTACTADMIN",
        Cause.PASSWORD_EXPIRED: "EXPIRED",
        Cause.TLS_REQUIRED: "PRIVACYREQUIRED",
        Cause.LOGIN_UNAVAILABLE: "UNAVAILABLE TEMPFAIL SERVERBUG",
        Cause.RATE_LIMIT: "INUSE LIMIT",
        Cause.LOGIN_THROTTLED: "THROTTLED",
        Cause.MAILBOX_FULL: "OVERQUOTA",
        Cause.LOGIN_METHOD: "WEBALERT",
    }
)
RESPONSES = _by_code(
    {
        Cause.FOLDER_NOT_FOUND: "NONEXISTENT TRYCREATE",
        Cause.SERVER_TROUBLE: "UNAVAILABLE TEMPFAIL SERVERBUG CORRUPTION",
        Cause.RATE_LIMIT: "INUSE LIMIT THROTTLED",
        Cause.MAILBOX_FULL: "OVERQUOTA",
    }
)
# A login that is refused so was put off: it is worth another try. What the other codes say is the server's last word.
PUT_OFF_RESPONSES = frozenset({"UNAVAILABLE", "TEMPFAIL", "SERVERBUG", "INUSE", "LIMIT", "THROTTLED", "OVERQUOTA"})
FINAL_RESPONSES = frozenset(RESPONSES_LOGIN) - PUT_OFF_RESPONSES
PUT_OFF = frozenset({Cause.LOGIN_UNAVAILABLE, Cause.RATE_LIMIT, Cause.LOGIN_THROTTLED, Cause.MAILBOX_FULL})
