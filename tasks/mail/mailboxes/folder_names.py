"""What folders for junk and for sent mail are called where the server does not mark them (RFC 6154): pure.

Names by language, as these give them to a new mailbox or show them in their programs:

- Exchange and Outlook: "Junk E-mail" and "Sent Items" in the language that the mailbox was first opened in (the names
  that Set-MailboxRegionalConfiguration -LocalizeDefaultFolderName sets); Outlook.com the same, with shorter ones.
- Gmail: "[Gmail]/Spam" and "[Gmail]/Sent Mail", or below "[Google Mail]", in the language of the account.
- Yahoo and AOL ("Bulk", "Bulk Mail"), Yandex and Mail.ru, GMX and WEB.DE ("Spamverdacht"), 163.com and QQ.
- Thunderbird, Apple Mail, Roundcube and Horde: what they make in the mailbox where it has no such folder.
- CLDR (https://cldr.unicode.org): the names of the languages' codes, and how each is written.

A word that is also used of other things is in neither list: Lixo and Basura are the trash, Reklama, Werbung and
Publicité are advertisements that somebody may want, 垃圾箱 is a bin of either kind, Исходящие waits to be sent.
"""

# ruff: noqa: RUF001  (letters of other alphabets that look like Latin ones)

import unicodedata
from collections.abc import Mapping
from typing import NamedTuple


class Names(NamedTuple):
    """In one language, separated by semicolons."""

    junk: str = ""
    sent: str = ""


BY_LANGUAGE: Mapping[str, Names] = {
    "en": Names(
        "Junk; Spam; Junk E-mail; Junk Mail; Junk Messages; Bulk Mail; Spam Mail; Spambox; Spam Folder; Probably Spam",
        "Sent; Sent Items; Sent Mail; Sent Messages; Sent Objects; Sent E-mail",
    ),
    "de": Names(
        "Spamverdacht; Junk-Mails; Spam-Verdacht; Spamordner; Unerwünscht; Unerwünschte Werbung",
        "Gesendet; Gesendete Elemente; Gesendete Objekte; Gesendete Nachrichten; Gesendete E-Mails; Gesendete Mails",
    ),
    "fr": Names(
        "Courrier indésirable; Indésirables; Indésirable; Pourriel; Pourriels; Messages indésirables",
        "Éléments envoyés; Messages envoyés; Courrier envoyé; Envoyés; Envoyé; Objets envoyés",
    ),
    "es": Names(
        "Correo no deseado; Correo electrónico no deseado; Correo basura; No deseado; No deseados",
        "Elementos enviados; Enviados; Mensajes enviados; Correo enviado; Correos enviados; Enviado",
    ),
    "it": Names(
        "Posta indesiderata; Indesiderata; Indesiderati; Posta indesiderata e spam",
        "Posta inviata; Inviati; Inviata; Elementi inviati; Messaggi inviati",
    ),
    "pt": Names(
        "Lixo Eletrônico; Lixo Eletrónico; Lixo Electrónico; Correio Eletrónico de Lixo; Correio não solicitado; "
        "E-mail de lixo; Correio publicitário não solicitado; Não solicitado",
        "Itens Enviados; Enviados; Enviadas; Mensagens enviadas; E-mails enviados; Correio enviado; Itens enviadas",
    ),
    "ca": Names(
        "Correu brossa; Correu no desitjat", "Elements enviats; Enviats; Correu enviat; Missatges enviats; Enviat"
    ),
    "gl": Names("Correo lixo; Correo non desexado", "Mensaxes enviadas; Correo enviado; Elementos enviados"),
    "eu": Names("Zabor-posta", "Bidalitako elementuak; Bidalita; Bidalitakoak; Bidalitako mezuak"),
    "nl": Names(
        "Ongewenste e-mail; Ongewenst; Ongewenste reclame; Ongewenste berichten",
        "Verzonden items; Verzonden; Verzonden berichten; Verzonden e-mail; Verzonden objecten",
    ),
    "sv": Names("Skräppost", "Skickat; Skickade objekt; Skickade; Skickad e-post; Skickade meddelanden"),
    "da": Names(
        "Uønsket e-mail; Uønsket mail; Uønsket post; Uønsket", "Sendt post; Sendte elementer; Sendt; Sendte mails"
    ),
    "nb": Names(
        "Søppelpost; Søppel-e-post; Uønsket e-post", "Sendte elementer; Sendt e-post; Sendte; Sendte meldinger; Sendt"
    ),
    "is": Names("Ruslpóstur", "Sendir hlutir; Sendur póstur; Send skeyti"),
    "fi": Names("Roskaposti; Roskapostit", "Lähetetyt; Lähetetyt viestit; Lähetetyt kohteet; Lähetetty"),
    "et": Names("Rämpspost; Rämps", "Saadetud; Saadetud üksused; Saadetud kirjad; Saadetud e-kirjad"),
    "lv": Names(
        "Nevēlamais e-pasts; Nevēlams e-pasts; Mēstules; Surogātpasts; Nevēlamā pasta mape",
        "Nosūtītie vienumi; Nosūtītie; Nosūtītās vēstules; Nosūtīts; Nosūtītās",
    ),
    "lt": Names(
        "Nepageidaujamas el. paštas; Nepageidaujami laiškai; Nepageidaujami; Brukalas; Šlamštas",
        "Išsiųsti laiškai; Išsiųsti elementai; Išsiųstieji elementai; Išsiųsta; Išsiųstieji; Išsiųsti",
    ),
    "pl": Names(
        "Wiadomości-śmieci; Niechciane; Wiadomości niechciane; Niechciana poczta",
        "Wysłane; Elementy wysłane; Wiadomości wysłane; Wysłana poczta",
    ),
    "cs": Names(
        "Nevyžádaná pošta; Nevyžádaná; Nevyžádané",
        "Odeslaná pošta; Odeslané; Odesláno; Odeslané položky; Odeslané zprávy",
    ),
    "sk": Names(
        "Nevyžiadaná pošta; Nevyžiadaná elektronická pošta; Nevyžiadané; Nevyžiadaná",
        "Odoslaná pošta; Odoslané; Odoslané položky; Odoslané správy",
    ),
    "hu": Names(
        "Levélszemét; Kéretlen; Kéretlen levelek",
        "Elküldött elemek; Elküldött; Elküldött üzenetek; Elküldve; Elküldött levelek",
    ),
    "ro": Names(
        "E-mail nedorit; Mesaje nedorite; Nedorite; E-mail nesolicitat; Poștă nedorită; Mesaje nesolicitate",
        "Elemente trimise; Trimise; Mesaje trimise; Mail-uri trimise; E-mailuri trimise; Trimis",
    ),
    "bg": Names(
        "Нежелана поща; Нежелана електронна поща; Нежелани",
        "Изпратени; Изпратени елементи; Изпратена поща; Изпратени писма",
    ),
    "hr": Names(
        "Neželjena pošta; Bezvrijedna pošta; Bezvrijedna e-pošta; Neželjeno",
        "Poslano; Poslane stavke; Poslana pošta; Poslane poruke",
    ),
    "sl": Names(
        "Neželena pošta; Neželena e-pošta; Vsiljena pošta; Neželeno",
        "Poslano; Poslani elementi; Poslana pošta; Poslana sporočila; Poslani predmeti",
    ),
    "sr": Names(
        "Нежељена пошта; Нежељена е-пошта; Непожељно; Непожељне; Nepoželjna e-pošta; Neželjene poruke",
        "Послато; Послате ставке; Послата пошта; Послате; Poslato; Poslate stavke; Poslata pošta",
    ),
    "mk": Names("Несакана пошта; Несакана е-пошта; Ѓубре пошта", "Испратени; Испратени ставки; Пратени"),
    "ru": Names(
        "Спам; Нежелательная почта; Нежелательные",
        "Отправленные; Отправленная почта; Отправленное; Отправленные письма; Отправлено",
    ),
    "uk": Names(
        "Небажана пошта; Небажані; Небажані листи",
        "Надіслані; Відправлені; Надіслана пошта; Надіслані елементи; Відіслані; Надіслано; Відправлено",
    ),
    "be": Names("Непажаданая пошта", "Адпраўленыя; Дасланыя"),
    "kk": Names("Қалаусыз пошта", "Жіберілгендер; Жіберілген"),
    "el": Names(
        "Ανεπιθύμητη αλληλογραφία; Ανεπιθύμητα; Ανεπιθύμητη ηλεκτρονική αλληλογραφία; Ανεπιθύμητη",
        "Απεσταλμένα; Απεσταλμένα στοιχεία; Σταλμένα; Απεσταλμένη αλληλογραφία; Απεσταλμένα μηνύματα",
    ),
    "tr": Names(
        "Önemsiz E-posta; Gereksiz E-posta; Gereksiz; İstenmeyen; İstenmeyen E-posta; İstenmeyen Posta",
        "Gönderilmiş Öğeler; Gönderilenler; Gönderilmiş; Gönderilmiş Postalar; Gönderilmiş Postalarım; Gönderilen",
    ),
    "he": Names('דואר זבל; ספאם; דוא"ל זבל', 'פריטים שנשלחו; נשלחו; דואר שנשלח; דוא"ל שנשלח; הודעות שנשלחו'),
    "ar": Names(
        "البريد الإلكتروني غير الهام; البريد غير الهام; البريد العشوائي; بريد غير مرغوب فيه; الرسائل غير المرغوب فيها; "
        "البريد غير المرغوب فيه; البريد المزعج; رسائل غير مرغوب فيها",
        "العناصر المرسلة; المرسل; البريد المرسل; الرسائل المرسلة; بريد مرسل; المرسلة; رسائل مرسلة",
    ),
    "fa": Names("هرزنامه; هرزنامه‌ها", "ارسال شده; فرستاده شده; موارد ارسالی; پیام‌های ارسال شده; فرستاده‌شده"),
    "hi": Names("जंक ई-मेल; जंक ईमेल; स्पैम; जंक", "भेजे गए आइटम; भेजी गई; भेजा गया; भेजे गए; भेजे गए मेल; भेजे गए संदेश"),
    "th": Names(
        "อีเมลขยะ; จดหมายขยะ; สแปม; เมลขยะ", "รายการที่ถูกส่ง; รายการที่ส่ง; ส่งแล้ว; จดหมายที่ส่งแล้ว; จดหมายที่ส่ง; ข้อความที่ส่ง"
    ),
    "vi": Names("Thư rác; Email rác", "Mục Đã gửi; Đã gửi; Thư đã gửi; Các mục đã gửi; Khoản đã gửi"),
    "id": Names(
        "Email Sampah; Surel sampah", "Item Terkirim; Terkirim; Surat Terkirim; Pesan Terkirim; Email Terkirim"
    ),
    "ms": Names("E-mel Remeh; Mel Remeh", "Item Dihantar; Dihantar; Mel Dihantar; Item yang Dihantar"),
    "ja": Names(
        "迷惑メール; 迷惑メールフォルダ; 迷惑メールフォルダー; スパム; 迷惑",
        "送信済みアイテム; 送信済みメール; 送信済み; 送信済みトレイ; 送信済; 送信控え; 送信済みメッセージ",
    ),
    "ko": Names(
        "정크 메일; 정크; 스팸; 스팸 메일; 스팸함; 스팸 메일함; 스팸 편지함",
        "보낸 편지함; 보낸 메일함; 보낸 항목; 보낸 메일; 보낸 편지; 보낸 메시지",
    ),
    "zh": Names(
        "垃圾邮件; 垃圾郵件; 垃圾邮件夹; 垃圾郵件匣; 垃圾信件; 垃圾信件匣; 垃圾电子邮件; 垃圾電子郵件",
        "已发送; 已发送邮件; 已发送消息; 已发送项目; 已发送信件; 已发邮件; 已發送; 已傳送; 已傳送的郵件; "
        "已傳送項目; 寄件備份; 寄件備份匣; 已寄出; 已寄送; 已寄郵件",
    ),
}
# Words that say something else elsewhere: of junk only at the top of a mailbox, and where nothing else there is.
_WEAK_JUNK, _LAST_RANK = "Bulk", 100  # Yahoo
_NEVER_SENT_FROM = "Drafts; Outbox"  # what lies here was not received, and may never have been sent

# Folders above those of the mailbox itself, and such above other people's, which are none of ours.
_OWN_ROOTS = "INBOX; [Gmail]; [Google Mail]; Mail; Folders; mailbox"
_FOREIGN_ROOTS = (
    "Other Users; User; Users; Shared; Shared Folders; Public; Public Folders; #shared; #public; #news; #user"
)


def key(name: str) -> str:
    """A name as it is compared: whatever its case, its blanks and hyphens, and how its accents are encoded."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(character for character in folded if character.isalnum()).replace("ı", "i")  # upper case: I


def _keys(names: str) -> frozenset[str]:
    return frozenset(key(name) for name in names.split(";"))


_JUNK = frozenset[str]().union(*(_keys(names.junk) for names in BY_LANGUAGE.values() if names.junk))
_SENT = _keys(_NEVER_SENT_FROM).union(*(_keys(names.sent) for names in BY_LANGUAGE.values() if names.sent))
_WEAK = _keys(_WEAK_JUNK)
_OWN = _keys(_OWN_ROOTS)
_FOREIGN = _keys(_FOREIGN_ROOTS)


def is_sent(name: str, delimiter: str | None) -> bool:
    """Whether a folder by its name holds what its owner has sent: that of a mailbox, not one that a project has."""
    *above, own = (key(part) for part in _parts(name, delimiter))
    return own in _SENT and not _below_own(above)


def is_foreign(name: str, delimiter: str | None) -> bool:
    """Whether a folder lies in somebody else's mailbox, or in one for all."""
    first, *below = _parts(name, delimiter)
    return bool(below) and key(first) in _FOREIGN


def junk_rank(name: str, delimiter: str | None) -> int | None:
    """How surely a folder by its name holds junk, the surest lowest; None where its name says nothing of it."""
    *above, own = (key(part) for part in _parts(name, delimiter))
    depth = len(_below_own(above))
    if is_foreign(name, delimiter) or not (own in _JUNK or (own in _WEAK and not depth)):
        return None
    return _LAST_RANK if own in _WEAK else depth


def _below_own(above: list[str]) -> list[str]:
    """A folder's parents, but for what stands above all folders of a mailbox."""
    return above[1:] if above and above[0] in _OWN else above


def _parts(name: str, delimiter: str | None) -> list[str]:
    """The names of a folder's parents, and its own behind them. `delimiter`: as the server lists it; None if unknown.

    A server without a hierarchy lists none (NIL), which is "" here: then the whole name is its own.
    """
    if delimiter is None:
        return name.replace("\\", "/").replace(".", "/").split("/")
    return name.split(delimiter) if delimiter else [name]
