"""What a relay calls a message that it took, in the words of each server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.mail.model.errors import enhanced_code
from tasks.mail.senders.smtp.replies import queue_id

FIELD = Path(__file__).parents[2] / "support/mail/field/accepted.jsonl"
CASES = [json.loads(line) for line in FIELD.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", [case for case in CASES if "reply" in case], ids=lambda case: str(case["name"]))
def test_the_queue_id_of_a_relay_of_the_field_is_found(case: dict[str, str | None]) -> None:
    reply = case["reply"]
    assert reply is not None
    assert queue_id(reply.removeprefix("250 ")) == case["queue_id"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ok 0102019b1c2d3e4f-5a6b7c8d-1234-4abc-9def-0123456789ab-000000", None),  # Amazon SES
        ("2.0.0 OK 4A/12-12345-ABCD1276", "4A/12-12345-ABCD1276"),  # Momentum
        ("OK 5b1e7f4a-1c2d-4e5f-8a9b-0c1d2e3f4a5b", "5b1e7f4a-1c2d-4e5f-8a9b-0c1d2e3f4a5b"),  # Elastic Email
        ("2.0.0 Ok: queued on mxfront1o.mail.yandex.net 1596012345-AbCdEf", "1596012345-AbCdEf"),
        ("2.0.0 Ok: queued on vla1-12.qloud-c.yandex.net as 1596012345-AbCdEf", "1596012345-AbCdEf"),
        ("OK id=1kAbCd-0001Ef-8B", "1kAbCd-0001Ef-8B"),  # Mail.ru
        ("Requested mail action okay, completed: id=0MkJ1x-1abcDE2Fgh-00mNoP", "0MkJ1x-1abcDE2Fgh-00mNoP"),  # GMX
        ("ok 1596012345 qp 1234", "1234"),  # qmail
        ("ok 1596012345 qp 1234 server-5.tower-1.messagelabs.com!1596012345!12345!1", "1234"),  # MessageLabs
        ("Message Queued (3F6B8C1E-5A2D-4C7B-9E10-1A2B3C4D5E6F.1)", "3F6B8C1E-5A2D-4C7B-9E10-1A2B3C4D5E6F.1"),  # Haraka
        ("2.0.0 3xk8j2abcd-1 Message accepted for delivery", "3xk8j2abcd-1"),  # Proofpoint
        ("2.0.0 <3xk8j2abcd-1@mx> Message accepted for delivery", "3xk8j2abcd-1@mx"),
        ("2.0.0 65a1b2c3-00000001 Message accepted for delivery", "65a1b2c3-00000001"),  # Kerio
        ("1234567 message accepted for delivery", "1234567"),  # CommuniGate
        ("ok:  Message 12345678 accepted", "12345678"),  # IronPort
        ("Mail OK queued as zwqz-smtp-1,_____wD3v1zAbc--.1234S2 1612345678", "zwqz-smtp-1,_____wD3v1zAbc--.1234S2"),
        ("ok queue id 123456789", "123456789"),  # Sina
        ("Data Ok: queued as freedom ###envid=1234567890", "1234567890"),  # Aliyun
        ("2.5.0 Ok, envelope id 0NFC00LXUMNGMH40@mr21.me.example", "0NFC00LXUMNGMH40@mr21.me.example"),  # Oracle
        ("Ok: queued as 5Rk3x_1=@mailhog.example", "5Rk3x_1=@mailhog.example"),
        (
            "2.0.0 OK: queued as <202611291700.12345@smtp-relay.example>",
            "202611291700.12345@smtp-relay.example",
        ),  # Brevo
        ("Accepted [STATUS=new MSGID=ZyXw.1abCdE2fGhIj]", "ZyXw.1abCdE2fGhIj"),  # Ethereal
        ("2.0.0 <b@example.net> kL2mAbCdEfGh+Q Saved", "kL2mAbCdEfGh+Q"),  # Dovecot over LMTP
        ("2.0.0 OK <AM0PR01@AM0PR01.prod.outlook.example> [Hostname=AM0PR01]", "AM0PR01@AM0PR01.prod.outlook.example"),
        ("2.6.0 Ok, id=20025-09, from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9B1C2D", "9B1C2D"),
        ("OK queued as ABCDEFABCDEF", "ABCDEFABCDEF"),
        ("2.0.0 Ok: queued for delivery as 4XyZ1", "4XyZ1"),
    ],
)
def test_a_queue_id_is_found_where_a_server_puts_it(text: str, name: str | None) -> None:
    assert queue_id(text) == (name or text.split()[-1])


@pytest.mark.parametrize(
    "text",
    [
        "Queued (0.234 seconds)",  # hMailServer
        "2.0.0 Message accepted for delivery",
        "Message accepted for delivery",
        "2.6.0 Queued mail for delivery",
        "Mail queued for delivery",
        "2.0.0 Message queued for delivery.",
        "Queued. Thank you.",  # Mailgun
        "Great success",
        "OK , completed",
        "Ok: queued as .",
        "queued as spam",
        "Message received",
        "Message received: 2048 bytes in 0.123s",
        "2.0.0 OK 2048 bytes",
        "OK 1596012345",
        "2.0.0 Ok 192.168.100.100",
        "Ok thanks4",
        "2.0.0 Ok ESMTP2",
        "Ok mx1.example.org",
        "OK 2026-11-29",
        "2.0.0 accepted (in 12.3 ms)",
        "2.6.0 Ok, message saved <Message-ID: 0af1@example.org>",  # MDaemon: our own Message-ID
        "server 1 accepted it",
        "2.0.0 250 Message accepted",
        "Mail accepted",  # smtp4dev
    ],
)
def test_words_numbers_and_hosts_are_no_queue_id(text: str) -> None:
    assert queue_id(text) is None


@pytest.mark.parametrize(
    ("text", "code", "queued"),
    [
        ("2.0.0 Ok: queued as 4XyZ1b2c3dz9rWk", "2.0.0", "4XyZ1b2c3dz9rWk"),  # Postfix, long ids
        ("2.0.0 Ok: queued as 7F3A21C0E5", "2.0.0", "7F3A21C0E5"),
        ("2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9B1C2D", "2.0.0", "9B1C2D"),  # amavis
        ("OK id=1tABcD-0002xy-5Z", None, "1tABcD-0002xy-5Z"),  # Exim up to 4.96
        ("OK id=1uVwXy-00000004abC-1dEf", None, "1uVwXy-00000004abC-1dEf"),  # Exim from 4.97
        (
            "2.6.0 <0af1@example.org> [InternalId=12345678, Hostname=EX1.example.org] 9821 bytes in 0.141, "
            "67.9 KB/sec Queued mail for delivery",
            "2.6.0",
            "0af1@example.org",
        ),
        (
            "2.0.0 OK  1700000000 d9443c01a7336-1ce5e3b7a1asm123.45 - gsmtp",
            "2.0.0",
            "d9443c01a7336-1ce5e3b7a1asm123.45",
        ),
        ("2.0.0 OK DMARC:Quarantine 1700000000 a1b2.34 - gsmtp", "2.0.0", "a1b2.34"),
        ("2.0.0 47G8a1bc012345 Message accepted for delivery", "2.0.0", "47G8a1bc012345"),  # Sendmail
        ("2.0.0 6e1f0a2b Message accepted for delivery", "2.0.0", "6e1f0a2b"),  # OpenSMTPD
        ("Ok", None, None),
        ("", None, None),
        ("4.7.1 Greylisted", "4.7.1", None),
        ("2.0.0", "2.0.0", None),
        ("5.7.1234 no", None, None),
        ("see 2.0.0", None, None),
        ("3.0.0 no class", None, None),
    ],
)
def test_queue_id_and_enhanced_code_are_found_in_the_words_of_every_server(
    text: str, code: str | None, queued: str | None
) -> None:
    assert (enhanced_code(text), queue_id(text)) == (code, queued)


@pytest.mark.parametrize(
    "text",
    [
        "queued as \x1b[2J",
        "queued as <script>alert(1)</script>",
        "queued as [link](http://example.org)",
        "queued as " + "A" * 10_000,
        "OK id=" + "a" * 10_000,
        "OK id=`rm`",
        "<" + "a" * 10_000 + "> [InternalId=1",
        "queued as \udcff\udcfe",
        " 1700000000 " + "x" * 10_000 + " - gsmtp",
    ],
)
def test_what_no_server_calls_a_message_is_no_queue_id(text: str) -> None:
    assert queue_id(text) is None
