"""Why a check ended as it did, for machines: alerts, metrics and plugins route by it."""

from enum import StrEnum


class Cause(StrEnum):
    """The closed list of causes; the words are a promise to users: some are added, none is renamed."""

    # logins
    WRONG_PASSWORD = "wrong_password"
    ACCOUNT_DISABLED = "account_disabled"
    PASSWORD_EXPIRED = "password_expired"
    LOGIN_METHOD = "login_method"  # this way of logging in is not allowed, or none that we speak is offered
    LOGIN_REQUIRED = "login_required"
    LOGIN_UNAVAILABLE = "login_unavailable"  # the login service is out of order
    LOGIN_THROTTLED = "login_throttled"
    TOKEN_REQUEST_REFUSED = "token_request_refused"
    TOKEN_REQUEST_FAILED = "token_request_failed"
    TOKEN_REJECTED = "token_rejected"
    TOKEN_EXPIRY = "token_expiry"
    CLIENT_CERTIFICATE = "client_certificate"
    SECRET_MISSING = "secret_missing"
    SECRET_NOT_ALLOWED = "secret_not_allowed"
    # TLS
    TLS_REQUIRED = "tls_required"  # the server wants TLS first
    TLS_MODE = "tls_mode"  # port and `tls` do not fit, or STARTTLS is not offered
    TLS_HANDSHAKE = "tls_handshake"  # no common version or cipher
    CERTIFICATE = "certificate"
    CERTIFICATE_EXPIRY = "certificate_expiry"  # the warning
    # sender
    SENDER_NOT_ALLOWED = "sender_not_allowed"  # from_addr is not the login's
    SENDER_DOMAIN = "sender_domain"
    SENDER_AUTHENTICATION = "sender_authentication"  # SPF, DKIM, DMARC
    RELAY_DENIED = "relay_denied"
    HELO = "helo"
    REVERSE_DNS = "reverse_dns"
    REPUTATION = "reputation"
    # recipient
    RECIPIENT_UNKNOWN = "recipient_unknown"
    RECIPIENT_DOMAIN = "recipient_domain"
    RECIPIENT_DISABLED = "recipient_disabled"
    MAILBOX_FULL = "mailbox_full"
    FOLDER_NOT_FOUND = "folder_not_found"
    # limits
    RATE_LIMIT = "rate_limit"  # the server's, per address, recipient, connection or time
    ACCOUNT_LIMIT = "account_limit"  # what the account or plan may send
    TOO_BIG = "too_big"
    GREYLISTED = "greylisted"
    BUDGET_SPENT = "budget_spent"
    STILL_RUNNING = "still_running"
    # content
    CONTENT_REFUSED = "content_refused"
    POLICY = "policy"
    MARKED_AS_SPAM = "marked_as_spam"
    MOVED = "moved"
    # servers
    SERVER_TROUBLE = "server_trouble"
    MAIL_LOOP = "mail_loop"
    EXPIRED = "expired"  # given up in a queue
    UNREACHABLE = "unreachable"  # no TCP connection
    NO_ANSWER = "no_answer"  # connected, then silence
    DROPPED = "dropped"  # connected, then closed
    NAME_NOT_FOUND = "name_not_found"

    @classmethod
    def known(cls, value: object) -> "Cause | None":
        """The cause of this name; None for one that another version added."""
        return next((cause for cause in cls if cause == value), None)
