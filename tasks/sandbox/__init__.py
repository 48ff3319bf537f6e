"""A mail system in one process, for the demo and the tests: aiosmtpd delivers into pymap."""

from tasks.sandbox.imap import StoredMessage
from tasks.sandbox.smtp import Script
from tasks.sandbox.system import Sandbox

__all__ = ["Sandbox", "Script", "StoredMessage"]
