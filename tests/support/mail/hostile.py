"""What strangers may write in the hope that somebody shows it as it is."""

from __future__ import annotations

EVIL = "evil.test"
FORGED = "2026-11-24 12:00:00,000 ERROR forged"

HOSTILE = {
    "bold": "**bold** __bold__ *it* _it_ ~~gone~~",
    "heading": "# heading",
    "headings below": "one\r\n\r\n## heading\r\n\r\nheading\r\n===",
    "link": f"[click](http://{EVIL}/) [ref][1] <http://{EVIL}/> ![pic](http://{EVIL}/x.png)",
    "script": f"<script>window.__evil=1;alert(1)</script><img src=http://{EVIL}/x.png onerror=window.__evil=1>",
    "frames": f"<iframe src=//{EVIL}></iframe><a href=javascript:alert(1)>x</a><svg onload=alert(1)><style>",
    "details": "<details open><summary>sum</summary>hidden</details><!-- gone -->",
    "bare": f"http://{EVIL}/a https://{EVIL} HTTPS://{EVIL} www.{EVIL} WWW.{EVIL} ftp://{EVIL} mailto:a@{EVIL}",
    "cells": "| table | cells |",
    "table": "x\r\n\r\n| a | b |\r\n| --- | --- |\r\n| c | d |",
    "ticks": "`tick` ``two`` ```three` end`",
    "fence": "```mermaid\r\ngraph TD; A-->B\r\n```",
    "template": "{{ flow_run.state.message }} {% raw %} {0} %s %(x)s ${HOME} $x$ :smile: [bold]rich[/bold]",
    "entities": "&lt;b&gt; &#60;b&#62; &amp;amp; \\*escaped\\*",
    "terminal": "\x1b[2J\x1b[31mred\x1b[0m \x1b]8;;http://evil.test\x07link\x1b]8;;\x07 \x9b1m \x9d0;title\x9c"
    " \a\b\v\f\0\x7f",
    "carriage return": f"gone\rshown {FORGED}",
    "line": f"one\n{FORGED}",
    "more lines": f"one\u2028{FORGED} \u2029{FORGED} \x85{FORGED} \x1c{FORGED}",
    "directions": "abc\u202edef\u2066ghi\u200ejkl\u061c",
    "invisible": "zero\u200bwidth\u200cand\ufeffmark\u00adhyphen\u2060\U000e0041tag",
    "list": "- item\r\n1. item\r\n> quote\r\n- [ ] task\r\n---\r\n[1]: http://evil.test",
    "footnote": "[^1] text\r\n\r\n[^1]: note",
}
PLAIN = "plain words"  # of no harm, to compare with
MARK = "EVIL"


def as_reply(code: int, text: str) -> bytes:
    """An SMTP reply with this text, of several lines where the text has them."""
    *lines, last = text.encode().split(b"\r\n")
    return b"".join(b"%d-%s\r\n" % (code, line) for line in lines) + b"%d %s\r\n" % (code, last)
