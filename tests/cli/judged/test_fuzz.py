"""Whatever comes in ends in an answer, in bounded time and memory."""

from pathlib import Path
from typing import Any

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_resolve import Agreements
from tests.cli.judged.fuzz import Bed, own_seeds, run


def test_every_mutated_message_ends_in_an_answer(office: Any, tmp_path: Path) -> None:
    bed = Bed(
        seeds=own_seeds(office),
        agreements=Agreements(agreements=(read_cpa(office.cpa("osb-rm-e")),)),
        keys=(office.pair("own"),),
        now=office.now,
    )
    outcomes = run(bed, tmp_path, seed=20261126, count=250)
    assert outcomes.total() == 250
    assert len(outcomes) > 2, "the mutations reach more than the first refusal"
