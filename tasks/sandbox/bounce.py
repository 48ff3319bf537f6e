"""What a server sends back of a message that it cannot deliver."""

from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesHeaderParser
from email.utils import formatdate, make_msgid

from tasks.sandbox.smtp import HOST_NAME

# Words as servers have them, and what is markup somewhere: `mail-loop alerts test` shows what becomes of it in a chat.
_REASON = "550 5.1.1 <monitor@sandbox.localhost>: no such mailbox any more <@&>*_`"


def bounce(raw: bytes, recipient: str) -> bytes:
    """What a server sends to the sender of `raw`: why it was not delivered to `recipient`, and its header."""
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{HOST_NAME}>"
    report["To"] = "postmaster"
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = formatdate()
    report["Message-ID"] = make_msgid(domain=HOST_NAME)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText("Your message could not be delivered.\n"))
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    server, mailbox = Message(), Message()
    server["Reporting-MTA"] = f"dns; {HOST_NAME}"
    mailbox["Final-Recipient"] = f"rfc822; {recipient}"
    mailbox["Action"] = "failed"
    mailbox["Status"] = "5.1.1"
    mailbox["Diagnostic-Code"] = f"smtp; {_REASON}"
    status.set_payload([server, mailbox])
    report.attach(status)
    header = EmailMessage()
    header["Content-Type"] = "text/rfc822-headers"
    header.set_payload(BytesHeaderParser().parsebytes(raw).as_string().partition("\n\n")[0] + "\n")
    report.attach(header)
    return b"Return-Path: <>\r\n" + report.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
