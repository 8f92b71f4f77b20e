"""Column names by which other products say "opted out" or "agreed to be texted", in the languages of exports.

A name that is matched wrongly costs its owner a rename; one that is missed costs a text to somebody who said
STOP. So the lists are generous.
"""

from __future__ import annotations

import re
import unicodedata

_STEMS = """
optout optedout optsout optin optedin optsin unsub subscri donot dontcall dontcontact donttext dontsms dontsend
nosms nocontact nomarketing nottext blacklist blocklist denylist suppress whitelist allowlist consent permission
gdpr tcpa ccpa casl lgpd rgpd dsgvo kvkk lopd newsletter legalbasis lawfulbasis expresswritten contactable
textable cansms cantext cancontact cancall maycontact maytext maycall oktotext oktocontact oktocall oktosms
smsok textok smsallowed textallowed smsenabled smspermitted smsopt smsstatus emailstatus textstatus smsmarketing
emailmarketing marketingcontact receivesms receivessms receivemarketing receivesmarketing receivetext canreceive
communicationpref contactpref smspref emailpref marketingpref spamcomplaint markedasspam revoke withdrew
abmeld abgemeld austrag ausgetragen widerruf widerspr einwillig zustimm einverstand werbesperr sperrliste gesperrt
abonn keinewerbung keinesms keinekontakt nichtkontakt nichtanruf kontaktsperre abbestell robinson erlaubnis
desabonn desinscri nepas listenoire listerouge bloctel autoris opposition
suscri nocontactar nollamar nomolestar noenviar listanegra bloquead autoriza dadodebaja permiso aceptasms
aceptamarketing
descadastr naocontat naoligar naopertur naoenviar naomolestar inscrit cancelarinscricao permissao aceitasms
aceitamarketing
disiscri iscritt iscrizione noncontatt nonchiam nondisturb noninviare listanera bloccat autorizz consens disdett
accettasms accettamarketing
afgemeld afmeld aangemeld uitgeschreven uitschrijv ingeschreven toestemming nietbel nietcontact nietstoren
nietmail nietsms geblokkeerd zwartelijst belmeniet opgezegd
wypisan wypisz niekontakt niedzwon niewysyl rezygnacj subskry zablokowan czarnalista sprzeciw
avregistr avanmal samtyck ejkontakt kontaktaej kontaktainte ringinte ringej ejsms prenumer sparrad sparrlista
avbestall
frameld tilmeld samtykke ikkekontakt maikke kontaktikke ringikke ikkering ikkesms blokeret blokkert
avmeld pameld reservert svarteliste
suostumus kielto kiellet kieltay alasoita alalaheta alaota estetty estolista tilaaja markkinointilupa peruutet
abone acikriza aramayin rahatsizetme karaliste engellendi gondermeyin smsizni izinli
配信停止 停止 拒否 解除 退会 同意 許諾 許可 購読 オプトアウト オプトイン 配信 受信可 ブラックリスト 不可 希望しない
ブロック 承諾 退订 退訂 黑名单 黑名單 拒收 수신거부 수신동의 동의 거부 차단
отпис соглас подпис черныйсписок незвонить неписать
zgod akkoord accordo hyvaksy eisaa neitil recusa rifiut weiger odmow abgelehnt ablehn avslatt avvis afvis reddet resili
cancelsms cancelledsms canceledsms godkan
odhlas souhlas leiratkoz feliratkoz hozzajarul dezabon acordgdpr
"""
"""Anywhere in a name, its words written together."""
_WORDS = """
stop stopped dnc dnd dnt opt opted blocked spam dont revoked withdrawn marketable mailable privacy
werbung accord refus refuse bloque baja rodo nix lupa izin izni onay onayi onayli riza iptal iys cikis стоп
"""
"""Whole words of a name: short ones, which others contain (Christopher)."""
_AGREES = re.compile(
    r"(accept|allow|agree|wants|permit)\w*(marketing|sms|text|message|promo|contact|email|news|call)"
    r"|marketing\w*(status|ok|agree|accept|allow|permi|consent|email|sms|text)"
)
_FOLDED = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "\u0131": "i", "đ": "d"})
_MARKS = re.compile("[\u0300-\u036f]")
_BORDER = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_\d]+")


def speaks_of_opting_out(name: str) -> bool:
    """Tell whether a column likely says who opted out, or who agreed to be texted.

    Example:
        >>> names = ["SMS Marketing Consent", "DoNotCall", "STOP", "abgemeldet_am", "Christopher", "Option", "email"]
        >>> [name for name in names if speaks_of_opting_out(name)]
        ['SMS Marketing Consent', 'DoNotCall', 'STOP', 'abgemeldet_am']
    """
    words = [_plain(word) for word in _BORDER.split(_without_marks(name)) if word]
    together = "".join(words).replace("adoptin", "")  # not the opting in of adopting
    return (
        not _SHORT.isdisjoint(words)
        or any(stem in together for stem in _LONG)
        or _AGREES.search(together) is not None
    )


def _without_marks(text: str) -> str:
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))


def _plain(text: str) -> str:
    return _without_marks(text).casefold().translate(_FOLDED)


_LONG = tuple(_plain(stem) for stem in _STEMS.split())
_SHORT = frozenset(_plain(word) for word in _WORDS.split())
