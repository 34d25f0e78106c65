"""The registry of rules: each code once, never given to another rule, never used again.

M1 files, M2 places, absence and expressions, M3 minimisation, M4 two ways, M5 cases, M6 hub profile, M9 run time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    severity: str
    """`error` or `warning`. At run time an error rejects the message, a warning goes along with it."""
    text: str
    why: str
    right: str
    """An example that is right; at run time: what to do."""
    wrong: str = ""
    """An example that is wrong."""


_FILES = (
    Rule(
        "M101",
        "error",
        "A file is readable YAML of a bounded size and depth.",
        "What cannot be read cannot be judged; the place is where the reader gave up.",
        "rows:\n  a: {xml: jz:object/jz:x}",
        "rows:\n\ta: {xml: jz:object/jz:x",
    ),
    Rule(
        "M102",
        "error",
        "A key stands once.",
        "Of two equal keys one would silently win.",
        "a: {xml: …}\nb: {xml: …}",
        "a: {xml: …}\na: {xml: …}",
    ),
    Rule(
        "M103",
        "error",
        "No anchors, aliases or tags.",
        "They make a small file large, and a reader turn pages.",
        "missing: omit",
        "missing: *later",
    ),
    Rule(
        "M104",
        "error",
        "A key holds the kind of value it is for.",
        "A table where a text is meant, or a word where a number is meant, is a slip of the indent or the hand.",
        "version: 3",
        "version: three",
    ),
    Rule(
        "M105",
        "error",
        "Only known keys, and well-formed names.",
        "A key that is misspelled would be passed over in silence.",
        "repeat: yes",
        "repeats: yes",
    ),
    Rule(
        "M106",
        "error",
        "A required key stands.",
        "Without it the part has no meaning.",
        'resource: {type: melding, key: "{melding}"}',
        "resource: {type: melding}",
    ),
    Rule(
        "M107",
        "error",
        "A value is one of those allowed.",
        "The words are few, and each does something else.",
        "direction: both",
        "direction: two-way",
    ),
    Rule(
        "M108",
        "error",
        "What is dropped has a reason.",
        "The list of what is left out is part of a privacy assessment.",
        "drop:\n  jz:object/jz:x: not needed for any event",
        "drop:\n  jz:object/jz:x:",
    ),
    Rule(
        "M109",
        "error",
        "A name is used once.",
        "Rows, groups, nodes and mappings are referred to by name.",
        "contactNaam: {…}",
        "naam: {…}\n…\nnaam: {…}",
    ),
    Rule(
        "M110",
        "error",
        "A structure description is well-formed.",
        "It is all the bridge knows of a message standard at run time.",
        "  jz:naam 0..1 nv naam text ..200",
        "  jz:naam optional text",
    ),
    Rule(
        "M111",
        "error",
        "standard.yaml is well-formed.",
        "Prefixes and privacy classes of all mappings of the folder come from it.",
        "privacy:\n  naam: {level: 2, personal: yes, doc: name of a person}",
        "privacy: [naam]",
    ),
    Rule(
        "M112",
        "error",
        "vocabulary.yaml is well-formed.",
        "Every name in the graph comes from it.",
        "classes:\n  Melding: [prov:Entity, soh:Melding]",
        "classes:\n  Melding: soh:Melding",
    ),
    Rule(
        "M113",
        "error",
        "A file or list that is named exists.",
        "A mapping without its list or structure description cannot run.",
        "lists: {rol: lists/jeugdzorgrol.csv}",
        "lists: {rol: lists/rol.csv}",
    ),
    Rule(
        "M120",
        "error",
        "A code list is well-formed.",
        "Columns xml and json (or columns to look in and one that answers), and from and until as dates.",
        "xml,json,from,until\njeugdige,jeugdige,,",
        "jeugdige;jeugdige",
    ),
)

_PLACES = (
    Rule(
        "M201",
        "error",
        "A place in the message exists in the structure description.",
        "StUF changes namespace below a relation, so a wrong prefix is the commonest mistake.",
        "xml: jz:gerelateerde/bg:geboortedatum",
        "xml: jz:gerelateerde/jz:geboortedatum",
    ),
    Rule(
        "M202",
        "error",
        "A place is a path of names that can be read and made.",
        "Prefixes are always written. // and functions are for xpath:, which is only read.",
        "xml: jz:object/jz:datumMelding",
        "xml: //datumMelding",
    ),
    Rule(
        "M203",
        "error",
        "A row reads and writes an element that holds a value.",
        "An element that holds elements has no value of its own.",
        "xml: jz:object/jz:betreft/jz:gerelateerde/jz:aangifte",
        "xml: jz:object/jz:betreft",
    ),
    Rule(
        "M204",
        "error",
        "An element that repeats is read with repeat: or each:.",
        "Else only one of them would be read and the others lost.",
        "mail: {xml: jz:eMail, resource: mail, repeat: yes}",
        "mail: {xml: jz:eMail, resource: mail}",
    ),
    Rule(
        "M205",
        "error",
        "One place, one row.",
        "Two rows that write one element contradict each other. Use another row's value with calc or text.",
        "dag: {calc: first(datum tijdstip)}",
        "datum2: {xml: jz:object/jz:datumMelding, …}",
    ),
    Rule(
        "M206",
        "error",
        "A place in the resource is used once, and is a value or a group.",
        "What is written twice is lost once.",
        "resource: sash/niveau",
        "resource: sash\n…\nresource: sash/niveau",
    ),
    Rule(
        "M210",
        "error",
        "A required element that cannot be nil is written.",
        "A message without it would be refused by whoever gets it.",
        "a: {xml: stuf:applicatie, from: self/systeem}",
        "a: {xml: stuf:applicatie, remember: yes}",
    ),
    Rule(
        "M220",
        "error",
        "A value that may be absent says what then happens.",
        "Absence is the way mappings fail: an id that ends in None, a required element without content.",
        "a: {xml: jz:informering, resource: a, missing: omit}",
        "a: {xml: jz:informering, resource: a}",
    ),
    Rule(
        "M221",
        "error",
        "missing: says something that the place allows.",
        "Only a nillable element can be nil, and a required element cannot be left out.",
        "missing: nil(waardeOnbekend)",
        "missing: nil(onbekend)",
    ),
    Rule(
        "M230",
        "error",
        "Every field of the message is mapped or dropped.",
        "What nobody decided about is lost without anyone knowing.",
        "drop:\n  jz:object/jz:x/*: kept only in the message itself",
        "(neither a row nor drop)",
    ),
    Rule(
        "M231",
        "warning",
        "What is dropped is not mapped as well.",
        "The drop wins, and the row never gets a value.",
        "drop:\n  jz:object/jz:y: not needed",
        "drop:\n  jz:object/*: …  (while rows read jz:object/jz:x)",
    ),
    Rule(
        "M240",
        "error",
        "A row, group or source that is named exists.",
        "A misspelled name would never have a value.",
        'subject: "melding/{melding}"',
        'subject: "melding/{meldng}"',
    ),
    Rule(
        "M241",
        "error",
        "Rows do not need each other in a circle.",
        "None of them could be first.",
        "a: {calc: first(b c)}\nb: {xml: …}",
        "a: {calc: first(b)}\nb: {calc: first(a)}",
    ),
    Rule(
        "M242",
        "error",
        "A function exists and gets the words it needs.",
        "The functions are few and each is in the reference, with examples.",
        "as: yes-no(Ja Nee)",
        "as: yesno",
    ),
    Rule(
        "M243",
        "error",
        "A row has one source for each direction.",
        "With two sources one would silently win. from: may list several, in order.",
        "from: [resource/oin, self/oin]",
        "from: self/oin\nconst: x",
    ),
    Rule(
        "M244",
        "error",
        "A condition is well-formed.",
        "A row that exists, a row with a value, or all, any and not of these.",
        "when: {row: rol, is: jeugdige}",
        "when: rol == jeugdige",
    ),
    Rule(
        "M245",
        "warning",
        "What is declared is used.",
        "A row or list that nothing uses is a leftover, or a slip.",
        "wijze: {xml: …, as: list(wijze)}",
        "lists: {oud: lists/oud.csv}  (never named)",
    ),
    Rule(
        "M246",
        "warning",
        "An event can occur.",
        "Its condition waits for a word that the row never has.",
        "when: {row: fase, is: besloten}",
        "when: {row: fase, is: beslist}",
    ),
    Rule(
        "M250",
        "error",
        "A node, class or property of the graph exists.",
        "All names come from vocabulary.yaml, so that every mapping writes the same.",
        "betreft: ->betrokkene",
        "betreft: ->betrokkenen",
    ),
    Rule(
        "M251",
        "error",
        "A node has an id of a known form.",
        "Ids are made so that they repeat, and so that nobody can read or guess anything from them.",
        "id: person(bsn)",
        'id: "urn:bsn:{bsn}"',
    ),
)

_PRIVACY = (
    Rule(
        "M301",
        "error",
        "A level shows only what it may see.",
        "Events of a lower level go to more people. The event without a level goes to all.",
        "levels: {0: [melding, organisatie]}",
        "levels: {0: [melding, betrokkene]}",
    ),
    Rule(
        "M302",
        "error",
        "Personal data stands in an event only where the profile names it.",
        "All participants may read all events: the BSN of the person's node, and what the Melding profile asks for.",
        'burgerservicenummer: "{bsn}"  (on a Betrokkene)',
        'naam: "{geslachtsnaam}"',
    ),
    Rule(
        "M303",
        "error",
        "No personal data in subjects.",
        "Anyone on the way may read and log the attributes of an event.",
        'subject: "melding/{melding}"',
        'subject: "persoon/{bsn}"',
    ),
    Rule(
        "M304",
        "error",
        "A value is shown lower than its class or its inputs only with a reason.",
        "The reason stands in the record of the mapping, for whoever judges it.",
        "level: 1, because: the Board must see whether it is concerned",
        "level: 1",
    ),
)

_WAYS = (
    Rule(
        "M401",
        "error",
        "A two-way row has a conversion that can be written.",
        "Else the way back stops halfway.",
        "as: stuf-date",
        "as: (a conversion that only reads)",
    ),
    Rule(
        "M402",
        "warning",
        "A two-way row has a conversion without loss.",
        "What is lost on reading cannot be written back.",
        "as: stuf-date",
        "as: (a conversion that loses something)",
    ),
    Rule(
        "M403",
        "error",
        "A mapping has what its direction needs.",
        "Reading gives events or an answer; writing needs events to answer to.",
        "match: {event: {type: a.b}}",
        "direction: both  (without match: event)",
    ),
)

_ANSWERS = (
    Rule(
        "M410",
        "error",
        "A technical answer that a mapping names can be sent, and says what happened.",
        "Else nobody would be told. A technical answer is itself never answered.",
        "answers: {handled: bv01, refused: fo01}",
        "answers: {handled: fo01}",
    ),
    Rule(
        "M411",
        "error",
        "A message that is answered has a reference number, which is remembered.",
        "The answer goes back later, when the message itself is no longer at hand.",
        "reference: {number: referentie}\n…\nreferentie: {xml: …, remember: yes}",
        "answers: {handled: bv01}  (without reference:)",
    ),
)

_CASES = (
    Rule(
        "M501",
        "error",
        "A case is well-formed.",
        "A key that is misspelled would check nothing.",
        "then: {back: same}",
        "then: {bakc: same}",
    ),
    Rule(
        "M502",
        "error",
        "A case gives what it says.",
        "Either the mapping or the case is wrong.",
        "look at the difference; after review run the tests with --update",
    ),
    Rule(
        "M503",
        "error",
        "Nothing protected stands where fewer people may look.",
        "Checked for every case: subjects, ids, event data, lower views of the resource.",
        "leave the value to level 2",
    ),
    Rule(
        "M504",
        "error",
        "Composing what was read gives the same message.",
        "Checked for every case of a two-way mapping, in both laws.",
        "then: {back: {differs-in: [jz:informering]}}",
    ),
    Rule(
        "M505",
        "warning",
        "A mapping has cases.",
        "A mapping that nobody ever ran is a guess.",
        "vt-melding.cases/typical.yaml",
    ),
    Rule(
        "M506",
        "error",
        "With --xsd: the message of a case without findings, and what is composed, are what the XSD allows.",
        "The structure description and the XSD must judge alike, else a partner refuses what the bridge sends.",
        "mend the input of the case, or the structure description",
    ),
)

_PROFILE = (
    Rule(
        "M601",
        "error",
        "An event type has the form of the framework and is on the configured list.",
        "Function and fact, small letters and hyphens, no version.",
        "type: uitwisselen-melding.melding-geregistreerd",
        "type: MeldingGeregistreerd",
    ),
    Rule(
        "M602",
        "error",
        "A subject has the form that the hub asks of its type: a kind of object, a slash, its number.",
        "The hub refuses another, and subscribers look for this one.",
        'subject: "melding/{melding}"',
        'subject: "{melding}"',
    ),
)

_READING = (
    Rule(
        "M901",
        "error",
        "The message is the one that the mapping is for.",
        "Its root element is another.",
        "choose the mapping for this message, or add one",
    ),
    Rule(
        "M902",
        "error",
        "A value that must be there is there.",
        "The row says missing: error, or nothing.",
        "ask the sender to complete the message, or mend missing:",
    ),
    Rule(
        "M903",
        "error",
        "A value can be read.",
        "It is of another form than the row expects, or a code is not on its list.",
        "ask the sender to mend it, or extend the list",
    ),
    Rule(
        "M904",
        "error",
        "A fixed value is what it must be.",
        "The standard or the row fixes it; another value means another message.",
        "ask the sender",
    ),
    Rule(
        "M905",
        "error",
        "An element is known.",
        "What the standard does not have, no row reads: it would be lost.",
        "ask the sender, or extend the structure description and the mapping",
    ),
    Rule(
        "M906",
        "error",
        "An element stands no more often than allowed.",
        "Only the first would be read, the others lost.",
        "ask the sender",
    ),
    Rule(
        "M907",
        "error",
        "stuf:entiteittype has the code of its place.",
        "Another code means that something else is meant. Some schema validators let it pass.",
        "ask the sender",
    ),
    Rule(
        "M908",
        "error",
        "The message gives an event.",
        "Every condition said no.",
        "add an event, or mend the list that decides",
    ),
    Rule(
        "M909",
        "error",
        "A subject or key can be made.",
        "A row in it has no value.",
        "say missing: error at the row, so that the reason is told there",
    ),
    Rule(
        "M910",
        "error",
        "An element that is nil is empty.",
        "Either the nil or the content is wrong, and only the sender knows which.",
        "ask the sender",
    ),
    Rule(
        "M911",
        "error",
        "A message is of a size that can be handled.",
        "The number of elements and items is bounded.",
        "ask the sender to split it",
    ),
    Rule(
        "M912",
        "warning",
        "A value is of the type of its place.",
        "It is kept as it is; composing with it would be refused.",
        "tell the sender",
    ),
    Rule(
        "M913",
        "warning",
        "Elements stand in the order of the standard.",
        "Nothing is lost.",
        "tell the sender",
    ),
    Rule(
        "M914",
        "warning",
        "A required element stands.",
        "Rows that need it say so themselves.",
        "tell the sender",
    ),
    Rule(
        "M915",
        "warning",
        "The members that the profile asks for can be filled.",
        "For instance: nobody in the message has a BSN.",
        "know it: the event goes without",
    ),
    Rule(
        "M916",
        "warning",
        "No text between elements, no unknown attributes.",
        "No row reads them.",
        "tell the sender",
    ),
    Rule(
        "M917",
        "warning",
        "A way of saying no value is one that the place allows.",
        "It is understood all the same.",
        "tell the sender",
    ),
    Rule(
        "M918",
        "warning",
        "A value can be read, also where no event or identity needs it.",
        "It is kept under `_ongeldig`, as it is; nothing is made of it, no person and no age.",
        "ask the sender to mend it; who must act reads it at the source",
    ),
    Rule(
        "M919",
        "error",
        "The items that a row tells apart have different values.",
        "With the same value nobody can say which of them an event is about.",
        "ask the sender",
    ),
    Rule(
        "M920",
        "warning",
        "A local time is one moment.",
        "In October an hour occurs twice, in March one is skipped.",
        "know it: the moment may be an hour off",
    ),
    Rule(
        "M921",
        "warning",
        "A text fits.",
        "It was cut to what the place allows.",
        "read the whole text at the source",
    ),
    Rule(
        "M940",
        "warning",
        "A received message is what the XSD of its standard allows, where one is configured.",
        "What the mapping needs it asks for itself; under mappings.xsd_received = wait the message waits.",
        "tell the sender the place and the rule",
    ),
)

_WRITING = (
    Rule(
        "M930", "error", "A required element gets a value.",
        "Neither a row, nor a fixed text, nor a nil is possible.", "complete the full data, or give the row a default",
    ),
    Rule(
        "M931", "error", "Of a choice or an element as many stand as are allowed.",
        "The full data has more than the message can carry.", "mend the full data, or add when: to rows",
    ),
    Rule(
        "M932", "error", "A value can be written.",
        "It is not of the type of its place, or a code is not on its list.", "mend the full data, or extend the list",
    ),
    Rule(
        "M933", "error", "The full data is there when it is needed.",
        "It is fetched at the source before composing.", "see why the source does not give it; the message waits",
    ),
    Rule(
        "M934", "error", "The event is one that the mapping answers to.",
        "match: event: lists the types.", "choose another mapping in the subscription",
    ),
    Rule(
        "M941", "error", "A composed message is what the XSD of its standard allows, where one is configured.",
        "The receiver would refuse it.", "mend the full data, or the structure description and the mapping",
    ),
    Rule(
        "M935", "error", "The earlier exchange is there when it is needed.",
        "needs: ref: yes says that the message answers one.", "see whether the request was ever exchanged here",
    ),
)  # fmt: skip

RULES: dict[str, Rule] = {
    rule.code: rule
    for group in (_FILES, _PLACES, _PRIVACY, _WAYS, _ANSWERS, _CASES, _PROFILE, _READING, _WRITING)
    for rule in group
}
