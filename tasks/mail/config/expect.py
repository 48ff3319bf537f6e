"""What is expected of the sender's authentication, as it is configured."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from tasks.mail.config.extras import can_verify
from tasks.mail.config.messages import problem
from tasks.mail.config.section import Section

AuthResult = Literal["pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"]


def _possible(wanted: bool) -> bool:
    if wanted and not can_verify():
        raise problem("needs the package dkimpy: install mail-loop-check[dkim], or leave it out")
    return wanted


VerifyDkim = Annotated[bool, AfterValidator(_possible)]


class Expect(Section):
    """What the receiver must find of the sender's authentication (RFC 8601), method by method."""

    model_config = ConfigDict(title="Expected authentication")

    spf: AuthResult | None = Field(None, title="SPF", description="Result that SPF must have, such as pass")
    dkim: AuthResult | None = Field(None, title="DKIM", description="Result that DKIM must have, such as pass")
    dmarc: AuthResult | None = Field(None, title="DMARC", description="Result that DMARC must have, such as pass")
    arc: AuthResult | None = Field(None, title="ARC", description="Result that ARC must have, such as pass")
