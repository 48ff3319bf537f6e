"""What the codes of a reply mean where its words do not say more.

Enhanced codes: RFC 3463, with the registry of RFC 5248 (RFC 4954, 7372, 7505). Codes: RFC 5321, 4954. Response codes of
IMAP: RFC 5530. A code that all use for everything, such as 550, stands in no table: it accuses nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.mail.model.cause import Cause

# By subject and detail, or by the whole code where the first digit makes a difference.
ENHANCED_LOGIN: Mapping[str, Cause] = {
    "5.4": Cause.LOGIN_METHOD,
    "7.3": Cause.WRONG_PASSWORD,
    "7.4": Cause.LOGIN_METHOD,
    "7.8": Cause.WRONG_PASSWORD,
    "7.9": Cause.LOGIN_METHOD,
    "7.11": Cause.TLS_REQUIRED,
    "7.12": Cause.PASSWORD_EXPIRED,
    "7.13": Cause.ACCOUNT_DISABLED,
    "7.30": Cause.LOGIN_METHOD,
    "7.139": Cause.LOGIN_METHOD,
}
ENHANCED: Mapping[str, Cause] = {
    "1.1": Cause.RECIPIENT_UNKNOWN,
    "1.2": Cause.RECIPIENT_DOMAIN,
    "1.3": Cause.RECIPIENT_UNKNOWN,
    "1.4": Cause.RECIPIENT_UNKNOWN,
    "1.6": Cause.RECIPIENT_UNKNOWN,
    "1.7": Cause.SENDER_DOMAIN,
    "1.8": Cause.SENDER_DOMAIN,
    "1.9": Cause.CONTENT_REFUSED,
    "1.10": Cause.RECIPIENT_DOMAIN,
    "1.90": Cause.ACCOUNT_LIMIT,
    "4.2.1": Cause.RATE_LIMIT,
    "5.2.1": Cause.RECIPIENT_DISABLED,
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.TOO_BIG,
    "2.121": Cause.RATE_LIMIT,
    "2.122": Cause.RATE_LIMIT,
    "2.252": Cause.SENDER_NOT_ALLOWED,
    "3.0": Cause.SERVER_TROUBLE,
    "3.1": Cause.SERVER_TROUBLE,
    "3.2": Cause.SERVER_TROUBLE,
    "3.4": Cause.TOO_BIG,
    "3.5": Cause.SERVER_TROUBLE,
    "4.1": Cause.UNREACHABLE,
    "4.2": Cause.DROPPED,
    "4.3": Cause.SERVER_TROUBLE,
    "4.4": Cause.RECIPIENT_DOMAIN,
    "4.5": Cause.SERVER_TROUBLE,
    "4.6": Cause.MAIL_LOOP,
    "4.7": Cause.EXPIRED,
    "4.14": Cause.MAIL_LOOP,
    "5.3": Cause.RATE_LIMIT,
    "6.0": Cause.CONTENT_REFUSED,
    "6.1": Cause.CONTENT_REFUSED,
    "6.2": Cause.CONTENT_REFUSED,
    "6.3": Cause.CONTENT_REFUSED,
    "6.6": Cause.CONTENT_REFUSED,
    "5.7.1": Cause.POLICY,
    "7.2": Cause.POLICY,
    "7.10": Cause.TLS_REQUIRED,
    "7.11": Cause.TLS_REQUIRED,
    "7.13": Cause.RECIPIENT_DISABLED,
    "7.17": Cause.RECIPIENT_UNKNOWN,
    "7.18": Cause.RECIPIENT_UNKNOWN,
    "7.20": Cause.SENDER_AUTHENTICATION,
    "7.21": Cause.SENDER_AUTHENTICATION,
    "7.22": Cause.SENDER_AUTHENTICATION,
    "7.23": Cause.SENDER_AUTHENTICATION,
    "7.24": Cause.SENDER_AUTHENTICATION,
    "7.25": Cause.REVERSE_DNS,
    "7.26": Cause.SENDER_AUTHENTICATION,
    "7.27": Cause.SENDER_DOMAIN,
    "7.28": Cause.RATE_LIMIT,
    "7.29": Cause.SENDER_AUTHENTICATION,
    # Exchange Online's own
    "7.54": Cause.RELAY_DENIED,
    "7.57": Cause.LOGIN_REQUIRED,
    "7.60": Cause.SENDER_NOT_ALLOWED,
    "7.64": Cause.RELAY_DENIED,
    "4.7.500": Cause.RATE_LIMIT,
    "7.515": Cause.SENDER_AUTHENTICATION,
    "7.509": Cause.SENDER_AUTHENTICATION,
}
CODES_LOGIN: Mapping[int, Cause] = {
    421: Cause.LOGIN_UNAVAILABLE,
    430: Cause.LOGIN_UNAVAILABLE,
    432: Cause.PASSWORD_EXPIRED,
    435: Cause.LOGIN_UNAVAILABLE,
    451: Cause.LOGIN_UNAVAILABLE,
    454: Cause.LOGIN_UNAVAILABLE,
    500: Cause.LOGIN_METHOD,
    501: Cause.LOGIN_METHOD,
    502: Cause.LOGIN_METHOD,
    503: Cause.LOGIN_METHOD,
    504: Cause.LOGIN_METHOD,
    525: Cause.ACCOUNT_DISABLED,
    530: Cause.TLS_REQUIRED,
    534: Cause.LOGIN_METHOD,
    535: Cause.WRONG_PASSWORD,
    538: Cause.TLS_REQUIRED,
}
CODES: Mapping[int, Cause] = {
    421: Cause.SERVER_TROUBLE,
    452: Cause.SERVER_TROUBLE,
    521: Cause.POLICY,
    523: Cause.TOO_BIG,
    530: Cause.LOGIN_REQUIRED,
    538: Cause.TLS_REQUIRED,
    551: Cause.RECIPIENT_UNKNOWN,
    556: Cause.RECIPIENT_DOMAIN,
}
RESPONSES_LOGIN: Mapping[str, Cause] = {
    "AUTHENTICATIONFAILED": Cause.WRONG_PASSWORD,
    "AUTHORIZATIONFAILED": Cause.ACCOUNT_DISABLED,
    "CONTACTADMIN": Cause.ACCOUNT_DISABLED,
    "EXPIRED": Cause.PASSWORD_EXPIRED,
    "PRIVACYREQUIRED": Cause.TLS_REQUIRED,
    "UNAVAILABLE": Cause.LOGIN_UNAVAILABLE,
    "TEMPFAIL": Cause.LOGIN_UNAVAILABLE,
    "SERVERBUG": Cause.LOGIN_UNAVAILABLE,
    "INUSE": Cause.RATE_LIMIT,
    "LIMIT": Cause.RATE_LIMIT,
    "THROTTLED": Cause.LOGIN_THROTTLED,
    "OVERQUOTA": Cause.MAILBOX_FULL,
    "WEBALERT": Cause.LOGIN_METHOD,
}
RESPONSES: Mapping[str, Cause] = {
    "NONEXISTENT": Cause.FOLDER_NOT_FOUND,
    "TRYCREATE": Cause.FOLDER_NOT_FOUND,
    "UNAVAILABLE": Cause.SERVER_TROUBLE,
    "TEMPFAIL": Cause.SERVER_TROUBLE,
    "SERVERBUG": Cause.SERVER_TROUBLE,
    "CORRUPTION": Cause.SERVER_TROUBLE,
    "INUSE": Cause.RATE_LIMIT,
    "LIMIT": Cause.RATE_LIMIT,
    "THROTTLED": Cause.RATE_LIMIT,
    "OVERQUOTA": Cause.MAILBOX_FULL,
}
# A login that is refused so was put off: it is worth another try. What the other codes say is the server's last word.
PUT_OFF_RESPONSES = frozenset({"UNAVAILABLE", "TEMPFAIL", "SERVERBUG", "INUSE", "LIMIT", "THROTTLED", "OVERQUOTA"})
FINAL_RESPONSES = frozenset(RESPONSES_LOGIN) - PUT_OFF_RESPONSES
PUT_OFF = frozenset({Cause.LOGIN_UNAVAILABLE, Cause.RATE_LIMIT, Cause.LOGIN_THROTTLED, Cause.MAILBOX_FULL})
