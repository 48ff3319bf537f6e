"""What servers say of loops, queues and limits. The first row that fits counts."""

from tasks.mail.causes.phrases import MAIL, Meaning
from tasks.mail.model.cause import Cause

ON_THE_WAY = (
    Meaning(
        Cause.MAIL_LOOP,
        MAIL,
        (
            "mail/message/routing/forwarding .. loop*",
            "loop/loops back/detected",
            "looping",
            "too many hops/received",
            "hop/hops count/limit?",
        ),
    ),
    Meaning(
        Cause.EXPIRED,
        MAIL,
        (
            "retry timeout/time .. exceeded/reached",
            "message/delivery/queue/time .. expired",
            "expired message",
            "in .. queue .. too long",
            "queue too long",
            "giving/given/gave up",
            "maximum queue lifetime/time",
        ),
    ),
)

LIMITS = (
    Meaning(Cause.MAILBOX_FULL, MAIL, ("mailbox/inbox size limit*/exceed*/quota", "mailbox/inbox exceed* .. size")),
    Meaning(
        Cause.TOO_BIG,
        MAIL,
        (
            "too big/large",
            "message/mail/content .. too long",
            "size .. limit*/exceed*/maximum",
            "exceed* .. size",
            "max/maximum .. size",
            "message length",
            "larger than",
        ),
    ),
    Meaning(
        Cause.ACCOUNT_LIMIT,
        MAIL,
        (
            "submission/submissionquota* quota*",
            "submissionquota*",
            "sending/send/sender .. quota",
            "sent/outgoing .. quota",
            "message/email/mail/queue quota",
            "sending/messaging/send/relay rate/limit*",
            "user sending",
            "outgoing .. limit",
            "hourly/daily .. limit/quota",
            "weekly/monthly .. limit/quota",
            "limit/quota .. hourly/daily/monthly",
            "limit/quota .. per hour/day/month",
            "quota .. too many",
            "too many messages/emails/mails sent",
            "credit/credits .. exceeded/exhausted/out",
            "out of .. credit/credits",
            "plan/account .. exceeded/limit/quota",
            "tenant .. exceeded/limit/quota",
            "exceeded your .. limit/limits/quota",
            "exceeded .. per hour/day/month",
            "number .. per hour/day/month",
            "you .. exceeded/reached .. limit/limits",
        ),
    ),
    Meaning(
        Cause.RATE_LIMIT,
        MAIL,
        (
            "rate limit*/control/exceeded",
            "unusual sending/activity",
            "ratelimit*",
            "unusual/submission rate",
            "connection/message rate",
            "too fast/quickly/frequent*/often",
            "too many/much .. connection*/session*",
            "too many/much .. messages/mails",
            "too many/much .. emails/mail",
            "too many/much .. recipient*/errors",
            "too many/much .. commands",
            "too many .. per",
            "simultaneous/concurrent .. connection*",
            "connection/connections/thread .. limit*",
            "maximum .. connections",
            "throttl*",
            "slow down",
            "frequency limit*",
            "temporarily deferred",
            "unexpected volume",
            "exceeded permitted/allowed limit*",
            "exceeded receive limit*",
            "receive limit",
            "RP CEL/TRC",  # of Netease, as are the next ones
            "HL ITC/IFC",
        ),
    ),
)
