"""The servers that a message goes through: relay and edge, and gateways between them. All are Postfix."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from tests.support.clock import library
from tests.support.servers.accounts import account
from tests.support.servers.dovecot import Dovecot
from tests.support.servers.postfix import Postfix
from tests.support.servers.postgrey import Postgrey
from tests.support.servers.processes import Ports

# Of Debian: the interpreter of the tests may lie where the account of a filter cannot read.
PYTHON = "/usr/bin/python3"
SLOW_SECONDS = 4
STRANGERS = Path(__file__).with_name("strangers")


class Relay(Postfix):
    """The server that mail is submitted to, on ports that differ in one thing each."""

    def __init__(
        self,
        home: Path,
        ports: Ports,
        edge: Edge,
        dovecot: Dovecot,
        grey: Postgrey,
        lab: Path,
        gateways: Mapping[str, int],
    ) -> None:
        certs = {
            name: {"smtpd_tls_chain_files": f"{lab}/certificates/{name}.pem"}
            for name in ("expired", "wrong-name", "expiring")
        }
        implicit = {"smtpd_tls_wrappermode": "yes"}
        by_address = f"check_recipient_access regexp:{home}/at-rcpt"
        quota = {"smtpd_recipient_restrictions": f"{by_address}, {dovecot.quota_policy}"}
        super().__init__(
            home,
            hostname="relay.test",
            template="relay.cf",
            maps=["transport", "at-rcpt", "after-data", "content"],
            services={
                "submission": {},
                "submissions": implicit,
                "grey": {"smtpd_recipient_restrictions": f"{by_address}, {grey.policy}"},
                "quota": quota,
                # A site that would rather have mail wait: each of its refusals is one for now.
                "quota-later": quota | {"soft_bounce": "yes"},
                "signing": {"smtpd_milters": f"unix:{lab}/signer/socket"},
                "expired": certs["expired"],
                "expired-implicit": certs["expired"] | implicit,
                "wrong-name": certs["wrong-name"],
                "wrong-name-implicit": certs["wrong-name"] | implicit,
                "expiring": certs["expiring"],
                # Nobody logs in there: the certificate says who it is.
                "by-certificate": {
                    "smtpd_sasl_auth_enable": "no",
                    "smtpd_tls_ask_ccert": "yes",
                    "smtpd_tls_CAfile": f"{lab}/certificates/ca.pem",
                    "smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject",
                },
            },
            ports=iter(ports.take, None),
            sasl=dovecot.sasl,
            certificate=lab / "certificates" / "good.pem",
            unwanted="bad",
            edge=edge.endpoints["edge"].port,
            grey_edge=edge.endpoints["grey-edge"].port,
            strict_edge=edge.endpoints["strict-edge"].port,
            judging_edge=edge.endpoints["judging-edge"].port,
            gateway=gateways["gateway"],
            drifting=gateways["drifting"],
        )
        self.submission = self.endpoints["submission"]
        self.submissions = self.endpoints["submissions"]
        self.grey = self.endpoints["grey"]
        self.quota = self.endpoints["quota"]
        self.quota_later = self.endpoints["quota-later"]
        self.signing = self.endpoints["signing"]
        self.expired = self.endpoints["expired"]
        self.expired_implicit = self.endpoints["expired-implicit"]
        self.wrong_name = self.endpoints["wrong-name"]
        self.wrong_name_implicit = self.endpoints["wrong-name-implicit"]
        self.expiring = self.endpoints["expiring"]
        self.by_certificate = self.endpoints["by-certificate"]


class Edge(Postfix):
    """The server of the recipients' domains; what is done besides depends on the port that the domain leads to."""

    def __init__(
        self, home: Path, ports: Ports, dovecot: Dovecot, grey: Postgrey, strict: Postgrey, lab: Path, gateway: int
    ) -> None:
        shutil.copy(STRANGERS / "judge_spf.py", home)
        super().__init__(
            home,
            hostname="edge.test",
            template="edge.cf",
            maps=["mailboxes", "aliases", "spam", "content", "edge-transport", "policyd-spf.conf"],
            services={
                "edge": {},
                "grey-edge": {"smtpd_recipient_restrictions": grey.policy},
                "strict-edge": {"smtpd_recipient_restrictions": strict.policy},
                "judging-edge": {
                    "smtpd_recipient_restrictions": "check_policy_service unix:private/spf",
                    "smtpd_milters": f"unix:{lab}/verifier/socket, unix:{lab}/dmarc/socket",
                },
            },
            ports=chain([dovecot.outbox.port], iter(ports.take, None)),
            master="edge-services.cf",
            lmtp=dovecot.lmtp,
            unwanted="ugly",
            gateway=gateway,
            python=PYTHON,
            zone=lab / "zone",
            nobody=account("nobody").user,
        )


class Gateway(Postfix):
    """A server between relay and edge that does something to the mail; `skew`: minutes by which its clock is fast."""

    def __init__(self, home: Path, port: int, edge: Edge, skew: int = 0) -> None:
        self._skew = skew
        shutil.copy(STRANGERS / "filter.py", home)
        super().__init__(
            home,
            hostname=f"{home.name}.test",
            template="gateway.cf",
            maps=["gateway-transport", "stripped", "forward"],
            services={"gateway": {}},
            ports=iter([port]),
            master="gateway-services.cf",
            edge=edge.endpoints["edge"].port,
            judging_edge=edge.endpoints["judging-edge"].port,
            python=PYTHON,
            nobody=account("nobody").user,
            seconds=SLOW_SECONDS,
        )

    def launch(self) -> None:
        """Only now, since a laboratory without this server needs no faketime."""
        if self._skew:
            self._environment = faked_clock(60 * self._skew)
        super().launch()


def faked_clock(seconds: int) -> dict[str, str]:
    """What to add to the environment of a server whose clock is fast by so much."""
    preload = library()
    return {"LD_PRELOAD": preload, "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
