"""The one rule: which parts of a password are hidden in a text, whatever form they have there, and what never is."""

from __future__ import annotations

import base64
import html
import json
import quopri
from datetime import UTC, datetime
from unicodedata import normalize
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from imapclient import imap_utf7

from tasks.mail.config.loop import inbound_config, loop_config
from tasks.mail.config.secrets import redactor_of
from tasks.mail.model.outcome import Outcome, Reported, Status
from tasks.mail.model.redaction.own_words import own_words
from tasks.mail.model.redaction.redactor import HIDDEN, Redactor
from tasks.mail.model.redaction.traces import enough
from tasks.mail.model.result import EarlierProbe, LoopResult
from tests.support.canaries import ALL, CORE, IN_PLAIN, NEEDLES, PASSWORD, TOKEN, USER, seen_in
from tests.support.mail.strategies import stable

REDACT = Redactor([(USER, PASSWORD)])
UTF8, LATIN1 = PASSWORD.encode(), PASSWORD.replace("€", "").encode("latin-1")
WRITTEN = {
    "as it is": PASSWORD,
    "in upper case": PASSWORD.upper(),
    "in lower case": PASSWORD.lower(),
    "decomposed": normalize("NFD", PASSWORD),
    "cut short": PASSWORD[: enough(len(PASSWORD))],
    "without its beginning": PASSWORD[-enough(len(PASSWORD)) :],
    "with backslashes": PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
    "in JSON": json.dumps(PASSWORD),
    "in JSON, not only ASCII": json.dumps(PASSWORD, ensure_ascii=False),
    "in JSON in JSON": json.dumps(json.dumps(PASSWORD)),
    "as Python text": repr(PASSWORD),
    "as Python bytes": repr(UTF8)[2:-1],
    "in an address": quote(PASSWORD),
    "in an address, in lower case": quote(PASSWORD).lower(),
    "in a form": quote_plus(PASSWORD),
    "in percent signs alone": "".join(f"%{octet:02X}" for octet in UTF8),
    "in an address in JSON": json.dumps(quote(PASSWORD)),
    "in HTML": html.escape(PASSWORD),
    "in HTML, only ASCII": html.escape(PASSWORD).encode("ascii", "xmlcharrefreplace").decode(),
    "in HTML, by names": html.escape(PASSWORD).replace("ü", "&uuml;").replace("€", "&euro;"),
    "in HTML, all in numbers": "".join(f"&#x{ord(c):x};" for c in PASSWORD),
    "in HTML of an address": html.escape(quote(PASSWORD, safe='"')),
    "quoted-printable": quopri.encodestring(UTF8).decode(),
    "in an encoded word": quopri.encodestring(UTF8, header=True).decode(),
    "as the name of a folder": imap_utf7.encode(PASSWORD).decode(),
    "in xtext": "".join(chr(o) if 33 <= o < 127 and o not in b"+=" else f"+{o:02X}" for o in UTF8),
    "in hex": UTF8.hex(),
    "as UTF-8 that was taken for Latin-1": UTF8.decode("latin-1"),
    "as octets that are not UTF-8": PASSWORD.replace("€", "").encode("latin-1").decode("utf-8", "surrogateescape"),
    "as octets of Windows that were taken for Latin-1": PASSWORD.encode("cp1252").decode("latin-1"),
    "in base64 for addresses": base64.urlsafe_b64encode(UTF8).decode(),
    "in base64, in lower case": base64.b64encode(UTF8).decode().lower(),
    **{f"in base64, {shift} octets in": base64.b64encode(b"x" * shift + UTF8).decode() for shift in range(6)},
    **{f"in base64, {more} octets before its end": base64.b64encode(UTF8 + b"x" * more).decode() for more in (1, 2)},
    **{f"AUTH PLAIN, cut after {end}": IN_PLAIN[:end] for end in range(12, len(IN_PLAIN))},
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_password_is_hidden_however_it_is_written(written: str) -> None:
    text = f"500 5.5.2 cannot parse <{WRITTEN[written]}>, sorry"
    shown = REDACT.text(text)
    assert shown.startswith("500 5.5.2 cannot parse <")
    assert shown.endswith(">, sorry")
    assert HIDDEN in shown
    rest = shown.replace(HIDDEN, "").removeprefix("500 5.5.2 cannot parse <").removesuffix(">, sorry")
    assert not any(map(str.isalnum, rest)), shown


@pytest.mark.parametrize(
    "text",
    [
        "\\x",
        "C:\\xyz",
        "\\xg0",
        "\\u12",
        "\\U0011",
        "\\",
        "%",
        "%g0",
        "=",
        "=g",
        "+g",
        "&",
        "&#x;",
        "&-",
        "\\U00FFFFFF",
        "\\ud800",
        "&#x110000;",
        "&#9999999;",
        "%ff%fe",
        "=C3",
        "&2D-",
    ],
)
def test_what_only_looks_like_an_escape_stays_as_it_is_and_keeps_nothing_from_being_hidden(text: str) -> None:
    assert REDACT.text(f"{text} {PASSWORD} {text}") == f"{text} {HIDDEN} {text}"
    assert REDACT.text(f"see {text}") == f"see {text}"


KEPT = {  # password: user name, text that stays as it is
    "Winter2026!": ("bert", "2026-01-01 12:00 winter Winter 2026! Winter2 er2026! 26!"),
    "pw-bert": ("bert", "bert bert's <bert@relay.example> pw-bertram xpw-bert pw"),
    "2026": ("bert", "2026-01-01 20:26 v2026 12026"),
    "s3cret": ("bert", "as3cret s3crets user/s3cret s3cret-2"),
    "monitor-2026": ("monitor", "monitor <monitor@relay.example> monitor. 2026-01-01"),
    "Kanari7enVogelTon9-und-noch-viel-mehr-davon": ("bert", "Kanari7enVogelTon9 und-noch-viel-mehr"),
}


@pytest.mark.parametrize("password", KEPT)
def test_words_dates_and_names_in_a_password_stay_in_other_texts(password: str) -> None:
    user, text = KEPT[password]
    redact = Redactor([(user, password)], [user])
    assert redact.text(text) == text
    assert redact.text(f"you said {password}.") == f"you said {HIDDEN}."


@pytest.mark.parametrize(
    ("password", "text", "shown"),
    [
        ("Winter2026!", "Winter20", HIDDEN),
        ("Winter2026!", "xWINTER20x", f"x{HIDDEN}x"),
        ("0123456789abcdefghij", "0123456789a 0123456789", f"{HIDDEN} 0123456789"),
        ("".join(map(chr, range(0x400, 0x440))), "".join(map(chr, range(0x404, 0x41C))), HIDDEN),
        ("".join(map(chr, range(0x400, 0x440))), "".join(map(chr, range(0x404, 0x41B))), ""),
        (TOKEN, f"a {TOKEN[1000:1024]} b", f"a {HIDDEN} b"),
        (TOKEN, f"a {TOKEN[1000:1023]} b", ""),
        ("geheim", "PASS geheim, 'GEHEIM' (geheim) geheim.", f"PASS {HIDDEN}, '{HIDDEN}' ({HIDDEN}) {HIDDEN}."),
        ("geheim", "AUTH Z2VoZWlt AGJvYgBnZWhlaW0= ge%68eim", f"AUTH {HIDDEN} {HIDDEN} {HIDDEN}"),
        ("pwd", "pwd pwd", f"{HIDDEN} {HIDDEN}"),
        ("two  words", "said two words", f"said {HIDDEN}"),
        ("see-http://x", "said see-http: //x", f"said {HIDDEN}"),
        ("Straße-2026", "STRASSE-2026", HIDDEN),
    ],
)
def test_how_long_a_run_must_be(password: str, text: str, shown: str) -> None:
    assert Redactor([("bob", password)]).text(text) == (shown or text)


@pytest.mark.parametrize(
    ("password", "shown", "text"),
    [
        ("mail.example.org", "mail.example.org", "mail.example.org MAIL.EXAMPLE.ORG mail.example.org:25"),
        ("bert", "bert", "bert 'bert' <bert@example.org>"),
        ("example.org", "mail.example.org", "mail.example.org"),
        ("[mail-loop]", "[mail-loop]", "[mail-loop] a1b2c3"),
        ("bert.meier-2026", "bert.meier", "bert.meier <bert.meier@example.org>"),
    ],
)
def test_what_the_configuration_shows_is_never_hidden(password: str, shown: str, text: str) -> None:
    """Not even if the password is the same, for a hole in what everybody knows would tell it."""
    assert Redactor([("x", password)], [shown]).text(text) == text


def test_a_password_that_holds_such_a_value_is_hidden_whole_and_in_part_around_it() -> None:
    redact = Redactor([("x", "bert.meier-2026")], ["bert.meier"])
    assert redact.text("<bert.meier-2026>") == f"<{HIDDEN}>"
    assert redact.text("<bert.meier-20>") == f"<bert.meier{HIDDEN}>"


@pytest.mark.parametrize("password", ["password", "password123", "accepted the message", "in the mailbox"])
def test_words_of_ours_in_our_sentences_stay(password: str) -> None:
    """A password that is made of them would be told by holes in sentences that everybody can read in our code."""
    sentence = "relay.test accepted the message, but it was not found in the mailbox: check its password"
    redact = Redactor([("x", password)])
    assert redact.text(sentence, mixed=True) == sentence
    assert HIDDEN in redact.text(f"550 no: {password}")
    assert HIDDEN not in Redactor([("x", "xx password xx")]).text(sentence, mixed=True)
    assert "its password" in own_words()
    assert "see its login service" in own_words(), "a table of sentences is as much ours as the code"
    assert HIDDEN in Redactor([("x", "password 2026")]).text("its password 2026 is wrong", mixed=True)


def test_a_configuration_shows_its_values_and_the_parts_of_its_addresses() -> None:
    login = {"host": "mail.example.org", "username": "box.of.bert", "password": "monitor@example.org"}
    smtp = login | {"from_addr": "monitor@example.org", "to_addr": "bert@example.net", "subject_prefix": "[mail-loop]"}
    loop = loop_config({"name": "office-to-home", "smtp": smtp, "imap": login | {"junk_folder": "Junk E-Mail"}})
    inbound = inbound_config({"name": "office-inbox", "imap": login | {"search_subject": "Daily report"}})
    for check, values in (
        (loop, ("office-to-home", "[mail-loop]", "Junk E-Mail", "box.of.bert", "@example.org", "monitor@example.org")),
        (inbound, ("office-inbox", "Daily report", "mail.example.org")),
    ):
        for value in values:
            redact = redactor_of(check).and_also([("x", value)], ())
            assert redact.text(f"at {value}.") == f"at {value}."
    assert redactor_of(loop).text("monitor+a1b2c3@example.org monitor@example.org") == (
        "monitor+a1b2c3@example.org monitor@example.org"
    )


RESULT = LoopResult(
    loop="office",
    status=Status.WARNING,
    outcome=Outcome.JUNKED,
    sentence=f"It lies in {CORE}.",
    folder=CORE,
    notes=(f"see {quote(PASSWORD)}", "nothing"),
    earlier_probes=(
        EarlierProbe(
            probe_id="a1",
            token="a1",
            arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
            reported=Reported.LOST,
            folder=PASSWORD,
            uidvalidity=1,
            uid=1,
        ),
    ),
    imap_stages={"search": 1.0},
)


def test_a_result_is_redacted_wherever_there_is_a_text_in_it() -> None:
    shown = REDACT.whole(RESULT)
    assert seen_in(shown.model_dump_json()) == []
    assert shown.earlier_probes[0].folder == HIDDEN
    assert (shown.notes[0], shown.folder) == (f"see {HIDDEN}", HIDDEN)
    assert shown.model_copy(update={"sentence": "", "folder": "", "notes": (), "earlier_probes": ()}) == (
        RESULT.model_copy(update={"sentence": "", "folder": "", "notes": (), "earlier_probes": ()})
    )
    assert Redactor([("x", "another one")]).whole(RESULT) is RESULT


def test_a_traceback_is_told_without_the_password_and_forges_no_line() -> None:
    try:
        try:
            raise ValueError(f"{ALL}\n2026-11-24 12:00:00 ERROR forged\x1b[2J")
        except ValueError as cause:
            raise KeyError(PASSWORD) from cause
    except KeyError as error:
        text = REDACT.traceback_of(error)
    assert "Traceback (most recent call last)" in text
    assert text.count(HIDDEN) > 1
    assert seen_in(text) == []
    assert all(line.startswith("  ") and line.isprintable() for line in text.split("\n"))


def test_without_a_password_nothing_is_hidden() -> None:
    text = "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6 for monitor"
    assert REDACT.text(text) == text
    assert Redactor([("monitor", "")]).text(text) == text


def test_what_looks_for_the_password_finds_it() -> None:
    assert all(needle.isalnum() and len(needle) > 15 for needle in NEEDLES)
    for shift in range(6):
        assert seen_in(base64.b64encode(b"x" * shift + CORE.encode() + b"yz"))
    assert seen_in(CORE.upper())
    assert not seen_in("Kanari")


# -- for any password and any text ------------------------------------------------------------------------------------

_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])
LONG = st.text(_LETTERS, min_size=8, max_size=40) | st.text(_LETTERS, min_size=40, max_size=120)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SPELT = st.sampled_from(
    [
        lambda p: p,
        lambda p: quote(p),
        lambda p: quote(p, safe=""),
        html.escape,
        lambda p: html.escape(p).encode("ascii", "xmlcharrefreplace").decode(),
        lambda p: json.dumps(p)[1:-1],
        lambda p: p.replace("\\", "\\\\").replace('"', '\\"'),
        lambda p: imap_utf7.encode(p).decode(),
        lambda p: quopri.encodestring(p.encode()).decode(),
        lambda p: base64.b64encode(p.encode()).decode(),
        lambda p: base64.b64encode(f"\0bob\0{p}".encode()).decode(),
        lambda p: p.encode().hex(),
    ]
)


@stable
@given(LONG, SPELT, ANY, ANY)
@example("========", quopri.encodestring, "", "")
def test_no_text_keeps_a_password_in_any_spelling(password: str, spelt: object, before: str, after: str) -> None:
    assert callable(spelt)
    written = spelt(password) if spelt is not quopri.encodestring else quopri.encodestring(password.encode()).decode()
    assume(written not in f"{before} {after}" and len(written.split()) == 1)
    shown = Redactor([("bob", password)]).text(f"{before} {written} {after}")
    assert written not in shown


@stable
@given(LONG, st.lists(LONG, min_size=1, max_size=4), ANY)
def test_no_shown_value_is_changed(password: str, values: list[str], between: str) -> None:
    text = between.join(["", *values, ""])
    redact = Redactor([("x", password)], values)
    assume(password.casefold() not in text.casefold() or password in values)
    shown = redact.text(text)
    assert all(shown.count(value) >= text.count(value) for value in values)


@stable
@given(LONG, ANY)
def test_a_text_without_a_long_run_of_the_password_stays(password: str, text: str) -> None:
    """By the letter of the rule, on texts without escapes and encodings."""
    plain = "".join(c for c in text if c.isascii() and (c.isalnum() or c in " .,:;<>()'!?-"))
    run = enough(len(password))
    assume(not any(plain.casefold()[i : i + run] in password.casefold() for i in range(len(plain) - run + 1)))
    assert Redactor([("x", password)]).text(plain) == plain


@stable
@given(LONG, st.data())
def test_each_run_that_is_long_enough_is_hidden(password: str, data: st.DataObject) -> None:
    length = data.draw(st.integers(enough(len(password)), len(password)))
    start = data.draw(st.integers(0, len(password) - length))
    run = password[start : start + length]
    assert run not in Redactor([("x", password)]).text(f"so: {run}")


@pytest.mark.parametrize("password", [" ", "  ", " \t ", "\u3000", " " * 30])
def test_a_password_of_white_space_alone_hides_nothing_and_breaks_nothing(password: str) -> None:
    """It stands between all words; its base64, which stands nowhere by chance, is hidden."""
    redact = Redactor([("bert", password)], ["bert"])
    text = f"250 2.0.0 Ok: queued as  4XyZ12{password * 2}!"
    assert redact.text(text) == text
    encoded = base64.b64encode(f"\0bert\0{password}".encode()).decode()
    assert encoded not in redact.text(f"501 <{encoded}>")


@given(password=st.text(min_size=1, max_size=40), text=st.text(max_size=80))
@stable
def test_no_password_and_no_text_breaks_it(password: str, text: str) -> None:
    redact = Redactor([("bert", password)], ["bert"])
    assert redact.text("") == ""
    assert isinstance(redact.text(text + password + text), str)
    assert isinstance(redact.line(text + password + text), str)
