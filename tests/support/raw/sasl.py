"""The server's side of SASL mechanisms, for scripted servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field

Steps = Generator[bytes, bytes, bool]
"""Gives challenges, takes the responses to them, and returns whether the login is good."""

ITERATIONS = 4096
SALT = b"salt of the test"


@dataclass
class Logins:
    """Whom a server lets in, and what it was shown; where it knows no `passwords` or `tokens`, everybody.

    `credentials` are pairs of name and secret. `after_error` has what a client has said to the error of its token.
    `flaw`, of SCRAM: `early` agrees before its proof is due, `signature` proves the wrong thing, `e=...` says
    so to a wrong password.
    """

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    credentials: list[tuple[str, str]] = field(default_factory=list)
    after_error: list[bytes] = field(default_factory=list)
    flaw: str = ""

    def shown(self, user: str, secret: str) -> bool:
        """Note a password, and say whether it is the right one."""
        self.credentials.append((user, secret))
        return not self.passwords or self.passwords.get(user) == secret

    async def take(self, mechanism: str, initial: str | None, ask: Callable[[bytes], Awaitable[bytes]]) -> bool | None:
        """One login; None where the client cancels it. `ask` sends a challenge in base64, and reads the response."""
        steps = MECHANISMS[mechanism](self)
        challenge = next(steps)
        response = b"" if initial == "=" else (initial or "").encode()
        while True:
            if initial is None:
                response = await ask(base64.b64encode(challenge))
            if response == b"*":
                return None
            initial = None
            try:
                challenge = steps.send(base64.b64decode(response, validate=True))
            except StopIteration as end:
                return bool(end.value)

    def _plain(self) -> Steps:
        _, user, password = (yield b"").decode().split("\0")
        return self.shown(user, password)

    def _login(self) -> Steps:
        user = yield b"Username:"
        password = yield b"Password:"
        return self.shown(user.decode(), password.decode())

    def _cram_md5(self) -> Steps:
        challenge = b"<1.2@raw.test>"
        user, _, digest = (yield challenge).decode().rpartition(" ")
        password = self.passwords.get(user, "").encode()
        return not self.passwords or hmac.new(password, challenge, "md5").hexdigest() == digest

    def _external(self) -> Steps:
        user = yield b""
        self.credentials.append((user.decode(), ""))
        return True

    def _token(self, pattern: str, error: dict[str, str]) -> Steps:
        found = re.fullmatch(pattern, (yield b"").decode(), re.DOTALL)
        assert found is not None, "not as the mechanism has it"
        self.credentials.append((found["user"], found["token"]))
        if found["token"] in self.tokens or not self.tokens:
            return True
        self.after_error.append((yield json.dumps(error).encode()))
        return False

    def _xoauth2(self) -> Steps:
        return self._token("user=(?P<user>[^\1]*)\1auth=Bearer (?P<token>[^\1]*)\1\1", {"status": "401"})

    def _oauthbearer(self) -> Steps:
        pattern = "n,a=(?P<user>[^,]*),\1host=[^\1]+\1port=[0-9]+\1auth=Bearer (?P<token>[^\1]*)\1\1"
        return self._token(pattern, {"status": "invalid_token"})

    def _scram(self, name: str) -> Steps:
        first = (yield b"").decode()
        found = re.fullmatch("n,,(?P<bare>n=(?P<user>[^,]*),r=(?P<nonce>[^,]+))", first)
        assert found is not None, first
        nonce = found["nonce"] + "-and-ours"
        server_first = f"r={nonce},s={base64.b64encode(SALT).decode()},i={ITERATIONS}"
        final = (yield server_first.encode()).decode()
        without_proof, _, proof = final.partition(",p=")
        assert without_proof == f"c=biws,r={nonce}", final
        whole = f"{found['bare']},{server_first},{without_proof}".encode()
        password = self.passwords[found["user"]]
        salted = hashlib.pbkdf2_hmac(name, password.encode(), SALT, ITERATIONS)
        key = hmac.digest(salted, b"Client Key", name)
        signature = hmac.digest(hashlib.new(name, key).digest(), whole, name)
        good = bytes(a ^ b for a, b in zip(key, signature, strict=True)) == base64.b64decode(proof)
        self.credentials.append((found["user"], ""))
        if not good and self.flaw.startswith("e="):
            yield self.flaw.encode()
        if not good or self.flaw == "early":
            return good
        proven = hmac.digest(hmac.digest(salted, b"Server Key", name), self.flaw.encode() or whole, name)
        yield b"v=" + base64.b64encode(proven)
        return True


MECHANISMS: dict[str, Callable[[Logins], Steps]] = {
    "PLAIN": Logins._plain,
    "LOGIN": Logins._login,
    "CRAM-MD5": Logins._cram_md5,
    "EXTERNAL": Logins._external,
    "XOAUTH2": Logins._xoauth2,
    "OAUTHBEARER": Logins._oauthbearer,
    "SCRAM-SHA-1": lambda logins: logins._scram("sha1"),
    "SCRAM-SHA-256": lambda logins: logins._scram("sha256"),
}
