# ruff: noqa: RUF001  # letters of many languages
"""What notices say in words, in many languages: tables.

Given up, or still tried: words that a mail server says of a message, not those of a reason ("user unknown"), which
people write as well. Those tell only which line of a notice holds the reason.
"""

import re

# By language. A notice in another one is known by its reply, its status part, its subject or X-Failed-Recipients.
_GIVEN_UP = (
    # English
    r"\b(?:can ?not|can't|could ?n[o']t|couldn\W?t|has not|have not|was not|wasn\W?t|were not|not|unable to"
    r"|failed to) "
    r"(?:be (?:\w+ly )?|able to be )?(?:deliver(?!y)|delivered|sent|relayed|posted"
    r"|reach(?:ed)? (?:the following|your))",
    r"\b(?:unable|not able|wasn\W?t able|weren\W?t able|failed) to (?:be )?(?:deliver|send|relay|transfer|reach the"
    r"|post)",
    r"\bundeliver|\bnon-?deliver|\bdelivery (?:\w+ ){0,4}(?:fail|not possible|abort|error|problem)"
    r"|\bfailed (?:to deliver|delivery)",
    r"\b(?:mail|message|e-?mail|delivery|notification|send|sending|address(?:\(es\)|es)?"
    r"|recipients?(?: or groups)?)\W{1,3}(?:\w+ ){0,2}failed\b",
    r"\bdid not reach\b|\bnot (?:been )?received by\b|\bno valid recipients\b"
    r"|\bnot (?:allowed|permitted|authori[sz]ed) to (?:post|send)\b",
    r"\b(?:permanent|fatal|unrecoverable|delivery|5\d\d) (?:\w+ )?(?:error|failure|problem)|\bfailed permanently\b"
    r"|\bpermanently (?:fail|reject|undeliver|unable)",
    r"\bgiv(?:en|ing) up\b|\bnot going to try again\b|\bwill be (?:deleted|removed) from (?:the )?queue\b"
    r"|\bno longer (?:be )?tr(?:y|ied)",
    r"\b(?:mail|message|e-?mail|recipients?|it)(?: \S+){0,4} (?:was|were|been|be|is|are|being) "
    r"(?:automatically )?(?:rejected|refused|bounced|blocked|returned|discarded|quarantined|undeliverable"
    r"|incorrect)\b",
    r"\brejected by\b|\brefused (?:by|to accept)\b|\breturned to (?:the )?sender\b"
    r"|\breturning (?:message )?to sender\b",
    r"\b(?:error|trouble|problem)s? (?:\w+ ){0,5}(?:deliver|send|transmitt|processing your (?:mail|message))",
    r"\b(?:was|been) aborted\b|\bgroup you tried to contact\b|\bfailure (?:notice|reasons?)\b"
    r"|\bincorrectly constructed\b",
    # German, Dutch
    r"\bnicht (?:\w+ ){0,4}(?:zugestellt|zustellen|zustellbar|ausgeliefert|übermittelt|versandt|gesendet)"
    r"|\bunzustellbar|\bzustellung\b.{0,60}\b(?:fehlgeschlagen|gescheitert|nicht möglich)",
    r"\bniet (?:\w+ ){0,4}(?:afgeleverd|bezorgd|geleverd|verzonden|afleveren)|\bonbestelbaar",
    # French, Spanish, Portuguese, Italian, Romanian
    r"\bpas (?:pu |été )?(?:être |été )?(?:remis|distribué|livré|envoyé|délivré|acheminé)"
    r"|\béchec de (?:la )?(?:remise|distribution|livraison|l'envoi)"
    r"|\bimpossible de (?:remettre|distribuer|livrer|délivrer|transmettre)|\bnon[- ](?:remis|distribu)",
    r"\bno (?:se |ha |pudo |puede |fue |ha sido )+(?:\w+ ){0,4}entreg|\bno (?:se )?ha podido (?:entregar|enviar)"
    r"|\bentrega\b.{0,40}\bfall|\berror (?:de|en la|al) entreg",
    r"\bnão (?:\w+ ){0,4}(?:entreg|enviad)|\bfalha (?:na|de) entrega",
    r"\b(?:impossibile|non è stato possibile|non è possibile) (?:recapitare|consegnare|inviare|inoltrare)"
    r"|\bnon (?:\w+ ){0,3}(?:recapitat|consegnat)|\bmancat[oa] (?:recapito|consegna)",
    r"\bnu a putut fi (?:livrat|trimis)",
    # Scandinavian, Finnish, Polish, Czech, Hungarian, Turkish
    r"\bkun(?:de|ne) (?:inte|ikke) (?:\w+ ){0,3}lever|\binte levererat|\bei voi(?:tu|da) toimittaa"
    r"|\btoimitus epäonnistui",
    r"\bnie (?:\w+ ){0,4}(?:dostarcz|doręcz)|\bniedostarcz|\bnelze doručit|\bnedoruč|\bneb(?:yla|ylo|yl) doručen",
    r"\bkézbesít\w* (?:sikertelen|nem)|\bnem (?:sikerült )?(?:\w+ )?kézbesít|\bteslim edile(?:me|mi)|\biletile?me",
    # Russian, Ukrainian, Greek
    r"\bне (?:\w+ ){0,4}(?:доставлен|доставить)|\bнедоставлен|\bне (?:\w+ ){0,4}доставлено",
    r"\bδεν (?:\w+ ){0,4}(?:παραδόθηκε|παράδοση)|\bαποτυχία παράδοσης",
    # Japanese, Chinese, Korean
    r"(?:配信|送信|配送|配達|お?届け)(?:する(?:こと)?(?:が|は)?)?\s*(?:ができ|でき|られ|に失敗)(?:ま|な|し|が)",
    r"(?:無法|无法|未能|不能)\S{0,8}(?:投递|投遞|送达|送達|傳送|传送|发送|發送|傳遞|传递)|退信|(?:投递|投遞|发送|發送)失[败敗]",
    r"(?:전송|배달|전달|발송)(?:할 수 없|하지 못|되지 (?:않|못)|에 실패)",
)
_STILL_TRYING = (
    # English
    r"\bdelayed\b|\bdelivery (?:\w+ ){0,3}delay|\bdelay reason\b|\bnot yet (?:been )?(?:deliver|receiv)"
    r"|\bstill (?:being|trying|undelivered)\b",
    r"\bwill (?:be retried|(?:\w+ )?retry|(?:\w+ )?try (?:again|to deliver)|keep (?:on )?trying|continue"
    r"|be (?:re)?tried)\b|\bwarning (?:message )?only\b",
    r"\b(?:not|no) need to re-?send\b|\bonly a temporary\b|\bno action is required\b",
    # German, Dutch, French, Spanish, Portuguese, Italian
    r"\bverzögert|\bweitere zustellversuche|\b(?:weiter|erneut) versucht|\bvertraagd"
    r"|\b(?:est|été) (?:retardé|différé)|\bretardée?\b",
    r"\bse ha retrasado|\bretrasad[oa]|\batrasad[oa]|\bretardad[oa]|\bin ritardo|\bè stat[oa] ritardat",
    # Polish, Swedish, Russian, Japanese, Chinese
    r"\bopóźnion|\bfördröj|\bförsenad|\bзадерж|\bотложен|\bбуд(?:ет|ут) (?:повтор|продолж)|遅延|遅れて"
    r"|再送を|延迟|延遲",
)
# What only a subject says of a failure: in a text it may be said of anything.
_TITLES = (
    r"\bfail(?:ed|ure)\b|\b(?:notification:|mail|system|delivery|transport) error\b|\breturned (?:mail|to)"
    r"|\brejected\b|\brefused\b|\bbounce|\bnon[- ]?deliver",
)
_DELAYS = (r"\bdelay|\bwarning\b",)


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


SAYS_GIVEN_UP = _any(*_GIVEN_UP)
SAYS_TRYING = _any(*_STILL_TRYING)
TITLE_GIVEN_UP = _any(*_GIVEN_UP, *_TITLES)
TITLE_TRYING = _any(*_STILL_TRYING, *_DELAYS)

# What a filter of the mailbox says where it rejects, and what is said where a message was thrown away unread.
REJECTS = re.compile(
    r"\breject|\brefus|\bnot accept|\bdeclin|\babgelehnt|\bzurückgewiesen|\bverweigert|\brejet|\bricus|\brifiut"
    r"|\brechaz|\brecus|\bgeweiger|\bodrzuc|\bотклон",
    re.IGNORECASE,
)
UNREAD = re.compile(r"\bwithout being (?:read|displayed|opened)\b|\bunread\b|\bungelesen\b", re.IGNORECASE)

# A line that begins so says the reason, and a line that ends so is followed by it.
LABEL = re.compile(
    r"^\W{0,20}(?:[\w/'-]{1,30} ){0,4}"
    r"(?:reasons?|because|cause|explanation|said|responded|diagnosis|error|problem|response|grund|fehler(?:meldung)?"
    r"|raison|erreur|motivo|causa|причина|ошибка|理由|原因)"
    r"(?: (?:of the failure|for the problem|given|was|is|message|text|details|reported))*[ \t]*[:：][ \t]*(\S.*)$",
    re.IGNORECASE,
)
BECAUSE = re.compile(r"\b(?:because|due to) (?!of the following)(.{8,})", re.IGNORECASE)
COMES = re.compile(
    r"\b(?:reasons?|because|explanation|given|said|responded|rejected|returned|refused|was|were|follows?|error|errors"
    r"|problem|response"
    r"|details?|below|(?:permanent|temporary) failure|server message|log|grund|raison|motivo|причина)[\W]{0,8}[:：]$"
    r"|^-{3,}.{0,30}(?:reasons?|server message|log|details?)\b.{0,20}$|理由により.{0,20}$",
    re.IGNORECASE,
)
ADDRESS = re.compile(
    r"(?:rfc822;|mailto:)?[\"'<(\[]{0,2}[\w.+=/%!&*~#$^{}|-]{1,80}@[\w.-]{1,250}[\"'>)\]]{0,3}", re.ASCII
)
# What a notice says around the reason.
FRAME = re.compile(
    r"^\W*$|^\W{0,4}(?:from|to|cc|subject|date|sent|message-?id|in|out|(?:failed )?recipients?|server"
    r"|arrival)(?: address)?\W{0,4}:"
    r"|^\W{0,4}(?:your message|original message|generated by|host|with id|the mail system|the following|following"
    r"|message headers?)\b.{0,200}$"
    r"|^[\W]{0,6}SMTP error from remote|\bpostmaster\b|https?://\S*$|\bthis (?:is|message was)\b|\bdo not reply\b"
    r"|\bplease\b.{0,80}\b(?:contact|assist|include)"
    r"|\bthe original message was received\b|^\W*>>>|\btranscript of session\b|\bhad (?:\w+ ){0,4}errors?\b"
    r"|\bpipe to\b|^\W*save to\b"
    r"|^\W*(?:on )?(?:mon|tue|wed|thu|fri|sat|sun)\w*,? {1,2}\d{1,2} \w{3,9} \d{4}|^\W*[A-Z]+(?::[A-Z ]+){2,}$"
    r"|^\W*reason: ?\W*$|\baddress(?:es)?\W*$"
    r"|^\W*(?:final-recipient|original-recipient|status|action|arrival-date|last-attempt-date|remote-mta"
    r"|reporting-mta)\b"
    r"|\bcopy of (?:the|your)\b|\bfirst part of\b|\battached\b.{0,20}$|^\W+\w{1,8}\W*$|連絡|\bnext line\b"
    r"|\bautomatically generated\b|\b(?:not|no) need to re-?send\b|\bwarning (?:message )?only\b"
    r"|\bdelivery status notification\b"
    r"|^[\w-]{1,30}: ?$|^\W*(?:hi|hello|dear|sorry|greetings)\b.{0,60}$|--.{0,60}--\s*$|^\W*(?:content-|--)",
    re.IGNORECASE,
)
# Words of a reason, not of a frame.
KNOWN = re.compile(
    r"\bunknown\b|\bno such\b|\bnot (?:exist|found|listed|accept|allow|permit|recogni[sz]ed|authori[sz]ed"
    r"|a (?:member|valid|known))|\bdoes(?:n't| not) exist"
    r"|\bcould(?:n't| not) (?:be )?f(?:ou|i)nd|\binvalid\b|\binactive\b|\bdisabled\b|\bsuspended\b|\block|\bquota\b"
    r"|\b(?:is|was|mail\w*) full\b|\bexceed|\btoo (?:large|big|long|many)\b"
    r"|\btimed? ?-?out\b|\bexpired\b|\brefused\b|\brejected\b|\bdenied\b|\bblocked\b|\bspam\b|\bvirus\b|\bpolicy\b"
    r"|\bloop\w*\b|\blisted\b|\bunrouteable\b|\bunreachable\b"
    r"|\bunavailable\b|\bnot reachable\b|\bmalformed\b|\bprohibited\b|\bpermission\b|\bunable to connect\b"
    r"|\bsocket error\b|\bhost\b.{0,40}\bfail|\bno longer\b",
    re.IGNORECASE,
)

GREETING = re.compile(r"^(?:.{0,60}[,:!،，、：]|.{0,12}|.{0,60}@.{0,60})$")
SENTENCE_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])")
