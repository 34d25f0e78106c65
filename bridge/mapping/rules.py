"""The registry of rules: each code once, never reused. M1 files, M2 places and absence, M3 minimisation, M4 two-way
laws, M5 cases, M6 hub profile, M9 run time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    code: str
    severity: str
    """`error` or `warning`. At run time an error rejects the message, a warning goes with it."""
    text: str
    why: str = ""
    wrong: str = ""
    right: str = ""


def _rule(code: str, severity: str, text: str, why: str = "", wrong: str = "", right: str = "") -> Rule:
    return Rule(code=code, severity=severity, text=text, why=why, wrong=wrong, right=right)


_ALL = (
    _rule("M101", "error", "A file must be readable YAML."),
    _rule("M102", "error", "A key stands once."),
    _rule("M103", "error", "No anchors, aliases or tags."),
    _rule("M104", "error", "A key holds the kind of value it is for."),
    _rule("M105", "error", "Only known keys, well-formed names."),
    _rule("M106", "error", "A required key stands."),
    _rule("M107", "error", "A value is one of those allowed."),
    _rule("M108", "error", "What is dropped has a reason."),
    _rule("M109", "error", "A name is used once."),
    _rule("M110", "error", "A structure description is well-formed."),
    _rule("M111", "error", "standard.yaml is well-formed."),
    _rule("M112", "error", "vocabulary.yaml is well-formed."),
    _rule("M113", "error", "A file that is named exists."),
    _rule("M120", "error", "A code list is well-formed."),
    _rule("M201", "error", "A place in the message exists in the structure description."),
    _rule("M202", "error", "A place is a path of prefixed names."),
    _rule("M203", "error", "A row reads and writes an element that holds a value."),
    _rule("M204", "error", "An element that repeats is read with each or repeat."),
    _rule("M205", "error", "One place, one row."),
    _rule("M206", "error", "A place in the resource is used once and is a value or a group, not both."),
    _rule("M210", "error", "A required element has a row."),
    _rule("M220", "error", "A value that may be absent says what then happens."),
    _rule("M221", "error", "missing: is something the place allows."),
    _rule("M230", "error", "Every field is mapped or dropped."),
    _rule("M231", "warning", "What is dropped exists and is not mapped as well."),
    _rule("M240", "error", "A row that is named exists."),
    _rule("M241", "error", "Rows do not depend on each other in a circle."),
    _rule("M242", "error", "A function exists and gets the words it needs."),
    _rule("M243", "error", "A row has one source for each direction."),
    _rule("M244", "error", "A condition is well-formed."),
    _rule("M245", "warning", "A row is used."),
    _rule("M246", "warning", "An event can occur."),
    _rule("M250", "error", "A node, a class or a property of the graph exists."),
    _rule("M251", "error", "A node has an id of a known form."),
    _rule("M252", "error", "An event is complete."),
    _rule("M301", "error", "A level shows only what it may see."),
    _rule("M302", "error", "Personal data stands in an event only where the profile names it."),
    _rule("M303", "error", "No personal data in subjects and ids."),
    _rule("M304", "error", "A value is shown lower than its class only with a reason."),
    _rule("M401", "error", "A two-way row has a conversion that can be written."),
    _rule("M402", "warning", "A two-way row has a conversion without loss."),
    _rule("M403", "error", "A mapping in both directions has what both need."),
    _rule("M501", "error", "A case is well-formed."),
    _rule("M502", "error", "A case gives what it says."),
    _rule("M503", "error", "Nothing leaks to a lower level."),
    _rule("M504", "error", "Composing again gives the same message."),
    _rule("M505", "warning", "A mapping has cases."),
    _rule("M601", "error", "An event has the form of the hub profile."),
    _rule("M901", "error", "The message is the one that the mapping is for."),
    _rule("M902", "error", "A value that must be there is there."),
    _rule("M903", "error", "A value can be read."),
    _rule("M904", "error", "A fixed value is what it must be."),
    _rule("M905", "error", "An element is known."),
    _rule("M906", "error", "An element stands no more often than allowed."),
    _rule("M907", "error", "stuf:entiteittype has the code of its place."),
    _rule("M908", "error", "The message gives an event."),
    _rule("M909", "error", "A subject, an id or a key can be made."),
    _rule("M910", "error", "An element that is nil is empty."),
    _rule("M911", "error", "A message is of a size that can be handled."),
    _rule("M912", "warning", "A value is of the type of its place."),
    _rule("M913", "warning", "Elements stand in the order of the standard."),
    _rule("M914", "warning", "A required element stands."),
    _rule("M915", "warning", "The members that the profile asks for can be filled."),
    _rule("M916", "warning", "No text between elements, no unknown attributes."),
    _rule("M917", "warning", "A way of saying no value is one that the place allows."),
    _rule("M920", "warning", "A local time is one moment."),
    _rule("M921", "warning", "A text fits."),
    _rule("M930", "error", "A required element gets a value."),
    _rule("M931", "error", "Of a choice as many stand as are allowed."),
    _rule("M932", "error", "A value can be written."),
    _rule("M933", "error", "The full data is there when it is needed."),
    _rule("M934", "error", "The event is one that the mapping answers to."),
    _rule("M935", "error", "The earlier exchange is there when it is needed."),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _ALL}
assert len(RULES) == len(_ALL), "a code is given once"
