"""What `bridge check` says of technical answers: a mapping names them, and an agreement may have no place for them."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.cli.assemble import read_mapping_files
from bridge.cli.check_findings import Case, Finding, Group, Level
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_model import Agreement, CollaborationRole, PartyInfo
from bridge.ebms.cpa_resolve import answering_terms
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError
from bridge.mapping.load import MappingSet, load_files
from bridge.mapping.program import Program


def answers(case: Case) -> Iterator[Finding]:
    """Every agreement under which a message would be sent whose sender cannot be told how it fared."""
    mappings = _mappings(case)
    own = [PartyId(value=p.party_id, type=p.party_id_type) for p in case.settings.own_parties]
    for name, agreement in _agreements(case):
        for party_id in own:
            party = agreement.find_party((party_id,))
            if party is None or not _wants(case, agreement.other_party(party)):
                continue
            for program in mappings.programs:
                yield from _missing(name, agreement, party_id, party, program, mappings)


def _missing(
    name: str,
    agreement: Agreement,
    own: PartyId,
    party: PartyInfo,
    program: Program,
    mappings: MappingSet,
) -> Iterator[Finding]:
    role = _receives(party, program)
    if role is None:
        return
    named = (mappings.named(answer.text) for answer in program.answers.values())
    wanted = dict.fromkeys(answer.sends for answer in named if answer is not None)
    missing = [
        action
        for action in wanted
        if action is not None
        and answering_terms(agreement, own=own, action=action, service=role.service, role=role.role) is None
    ]
    if missing:
        text = (
            f"has no action {' or '.join(missing)} towards the sender of {program.sends}, which mapping {program.name} "
            "answers with: nobody will be told how such a message fared"
        )
        yield Finding(group=Group.AGREEMENTS, level=Level.WARNING, where=name, text=text)


def _receives(party: PartyInfo, program: Program) -> CollaborationRole | None:
    """The role in which a party receives what a mapping reads, told by the action that the mapping writes."""
    action = program.action or program.sends
    if not program.answers or action is None:
        return None
    roles = (role for role in party.roles if any(binding.action == action for binding in role.can_receive))
    return next(roles, None)


def _wants(case: Case, party: PartyInfo) -> bool:
    partners = (
        p
        for p in case.settings.partners
        if party.is_named_by((PartyId(value=p.party_id, type=p.party_id_type),))
    )
    return any(partner.technical_answers for partner in partners)


def _mappings(case: Case) -> MappingSet:
    """Those that compile; what is wrong with the others, or with the folder, is told with the mappings."""
    folder = case.settings.mappings.folder
    try:
        return load_files(read_mapping_files(folder) if folder.is_dir() else {})[0]
    except (OSError, UnicodeDecodeError):
        return load_files({})[0]


def _agreements(case: Case) -> Iterator[tuple[str, Agreement]]:
    """Those that can be read; what is wrong with the others is told with the agreements."""
    folder = case.settings.agreements.folder
    for path in sorted(folder.glob("*.xml")) if folder.is_dir() else ():
        try:
            yield path.name, read_cpa(path.read_bytes())
        except (ConfigError, OSError):
            continue
