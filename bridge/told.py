"""What a peer says in words of its own, and which part of it everybody may read. Pure.

A hub or a partner that refuses something may quote the message: a name, an address, what happened. So its text is
content, kept and masked as such. Plain is a text of nothing but words by which protocols and systems speak of
themselves: that is the one kind that everybody reads. It is decided by what is known and not by what looks like a name,
so what nobody thought of stays masked.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

MASK = "•••"
"""Stands for one word that is not shown."""
KEPT = "…"
"""Stands for a whole text that is not shown."""
LONGEST_PLAIN = 200

_TECHNICAL = """
    a aan aangeboden aangeleverd aanmelding aanvraag aanwezig abonnement accepted action afgekeurd
    afgewezen afzender al algemene alleen already an and antwoord any are argument at attribute
    attribuut authenticatie authentication authorized autorisatie available bad be been bekend
    bericht berichten berichtsoort beschikbaar bestaat bestemming bevat bevoegd beëindigd bij
    bijlage bsn buiten busy by cache call cannot certificaat certificate character characters check
    client closed code communicatie configuratie configuration conflict connection content controle
    correct could cpa credentials data database de deze did dienst dit do document does doorgestuurd
    dubbel dubbele duplicate duur een endpoint enkele entity er error errors event events exceeded
    expected expired failed failure false field fields forbidden formaat format found fout fouten
    foutief from functie functionele gateway gave geaccepteerd gebruik gebruiker gebruikt geen
    geldig geldige gelijk gestuurd getal gevonden gevuld geweigerd geweigerde groot grootte had has
    have header headers het hub id identiek if in incorrect ingevuld inhoud intern internal interne
    invalid is it item its json juist kan kent kon leeg length lijst limiet limit long mag
    maintenance maximaal maximum media meer melding meldingen message messages minimum mislukt
    missing moet must naar name namespace niet no node not notify null nummer object of off om
    onbekend onbekende onbereikbaar onderhoud ondertekend ondertekening ongeldig ongeldige onjuist
    onjuiste onleesbaar onmogelijk ontbreekt ontbrekend ontbrekende ontvangen ontvanger onverwacht
    onverwachte onvolledig onvolledige op opnieuw or outside parameter part partij party path
    payload permission permitted please poging present probeer processed processing proxy query
    queue reached reason received receiver reden referentie refused registratie rejected request
    requested required response result retry role root schema security sender server service size
    soort sorry source status stored storing string subject succeeded supported syntax systeem
    system te technical technische temporarily temporary that the there this tijd tijdelijk tijdstip
    time timeout timestamp to toegang toegestaan token too type unable unauthorized unavailable
    unexpected unknown unprocessable unreachable unreadable unsupported update uri url validatie
    validation value values van veld velden verbinding verlopen verplicht verplichte versie version
    verwacht verwachte verwerken verwerking verwerkt verzender verzoek via voldoet voor waarde
    waarden wachtrij was wel were with within worden wordt xml zijn zonder
"""
_WORDS = frozenset(_TECHNICAL.split())
"""Words by which systems say that something does not fit. None of them is about a person or what happened to one."""

_PROTOCOL = """
    AckRequested Acknowledgment Action BSN Body CPA CPAId CloudEvent CloudEvents ConversationId
    DeliveryFailure Description DigestValue Digikoppeling DuplicateElimination Envelope Error
    ErrorList Fault From HTTP HTTPS Header Inconsistent JSON KeyInfo KvK MIME Manifest MessageData
    MessageHeader MessageId MessageOrder MimeProblem Forwarded NotRecognized NotSupported OIN OtherXml
    PartyId
    RefToMessageId Reference Role SAX SOAP SOAPAction SecurityFailure SequenceNumber Service
    Signature SignatureValue SignedInfo StatusRequest StatusResponse SyncReply TLS TimeToLive
    TimeToLiveExpired Timestamp To URI URL UTF UUID Unknown ValueNotRecognized XML XSD causationid
    correlationid datacontenttype dataschema ds eb expirytime interactieId interactieid recordedtime
    sequence soap specversion traceparent
    access_denied invalid_client invalid_grant invalid_request invalid_scope server_error
    temporarily_unavailable unauthorized_client unsupported_grant_type
"""
_NAMES = frozenset(_PROTOCOL.split())
"""Names of the protocols, spelled so."""

_RULE = re.compile(r"(?:SOH|DK)-\d{1,3}|StUF\d{3}")
_PHRASES = frozenset(status.phrase for status in HTTPStatus)
_WORD = re.compile(r"(?:SOH|DK)-\d{1,3}(?!\w)|\w+")
_BETWEEN = re.compile(r"[^\w\s.,;:()/'\"\[\]@=…•-]")


def is_plain(text: str) -> bool:
    """Whether everybody may read it."""
    if text in _PHRASES:
        return True
    return len(text) <= LONGEST_PLAIN and masked(text) == text


def shown(text: str) -> str:
    """What everybody may read of it: all when it is plain, else the rules that it names."""
    if is_plain(text):
        return text
    return " ".join((*dict.fromkeys(_RULE.findall(text)), KEPT))


def kept_apart(text: str) -> str:
    """What must be kept as content; empty when all of it is shown."""
    return "" if is_plain(text) else text


def masked(text: str) -> str:
    """Each word of it that is not known behind a mask of one length. For who may open content."""
    if text in _PHRASES:
        return text
    told = _WORD.sub(lambda found: _word(found[0], first=found.start() == 0), _BETWEEN.sub(" ", text))
    return told.strip()


def _word(word: str, *, first: bool) -> str:
    """Inside a sentence a capital makes a name of what is a word without it."""
    plain = word.islower() or (first and word[1:].islower())
    known = word in _NAMES or (plain and word.lower() in _WORDS) or _RULE.fullmatch(word)
    return word if known else MASK


# --- places in an ErrorList

_CONTENT_ID = re.compile(r"cid:[0-9a-f-]{32,36}(?:@[a-z0-9.-]{1,80})?")
_PLACE = re.compile(r"[A-Za-z0-9/:@\[\]()=_.-]{1,200}")


def shown_error(code: str, location: str | None) -> str:
    """One error of an ErrorList as everybody may read it: a code of the standard, and a place in its header."""
    name = code if code in _NAMES else KEPT
    return f"{name} at {_shown_place(location)}" if location else name


def _shown_place(location: str) -> str:
    names = re.findall(r"[^\W\d]\w*", location)
    known = all(name in _NAMES for name in names) and _PLACE.fullmatch(location)
    return (
        location if (known and not re.search(r"\d{4}", location)) or _CONTENT_ID.fullmatch(location) else KEPT
    )


# --- reasons that were recorded before such texts were kept apart

_MORE = r"(?P<more>; all attempts are made, .*|; check the address .*|; the hub does not take this query)?"
_FORMER: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?P<ours>(?:FUNCTIONEEL|TECHNISCH): )(?P<told>.*)",
        r"(?P<ours>(?:[a-z ]+ )?(?:a )?SOAP fault \(HTTP \d{3}\): )(?P<told>.*?)" + _MORE,
        r"(?P<ours>the hub [a-z ]+ \(status \d{3}: )(?P<told>.*)(?P<end>\))" + _MORE,
        r"(?P<ours>status \d{3}: )(?P<told>.*?)" + _MORE,
        r"(?P<ours>the token endpoint refused: )(?P<told>.*)",
    )
)
_FORMER_ERRORS = re.compile(
    r"(?P<ours>the partner (?:answered with an error|answered with a warning|refused the message): )(?P<told>.*?)"
    + _MORE
)


def without_told(reason: str) -> str:
    """A recorded reason without what a peer said in it, when it was recorded with that. Twice is harmless."""
    for pattern in _FORMER:
        found = pattern.fullmatch(reason)
        if found is not None:
            return _put(found.groupdict(""), shown(found["told"]))
    found = _FORMER_ERRORS.fullmatch(reason)
    if found is not None:
        errors = (piece.partition(" at ") for piece in found["told"].split("; "))
        return _put(found.groupdict(""), "; ".join(shown_error(code, place) for code, _, place in errors))
    return reason


def _put(groups: Mapping[str, str], said: str) -> str:
    return groups["ours"] + said + groups.get("end", "") + groups.get("more", "")
