"""A content filter of a gateway: takes its time, adds a footer if told to, and passes the message on by SMTP.

Run by Postfix's pipe(8), with Debian's Python: filter.py PORT footer|nothing SECONDS SENDER RECIPIENT < message
"""

import smtplib
import sys
import time

FOOTER = b"\r\n-- \r\nThis message was checked by gateway.test.\r\n"

port, what, seconds, sender, recipient = sys.argv[1:]
message = sys.stdin.buffer.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
time.sleep(float(seconds))
if what == "footer":
    message += FOOTER
with smtplib.SMTP("127.0.0.1", int(port), local_hostname="gateway.test", timeout=20) as client:
    client.sendmail(sender, [recipient], message)
