"""Changed mappings are taken up while running, but only when lint and all their cases are right."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.flow.reload import MAPPINGS, Watch, checked_mappings
from bridge.pki import Pki
from tests.conftest import Clock
from tests.flow.conftest import World, open_world

SOURCE = Path(__file__).resolve().parents[2] / "mappings"
OURS = ("vt-melding", "vt-terugkoppeling")
MAPPING = "stuf-jz/vt-melding.map.yaml"
CASE = "stuf-jz/vt-melding.cases/typical.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two mappings of the repository, with their cases and what they share."""
    target = tmp_path / "mappings"
    for path in sorted(SOURCE.rglob("*")):
        name = path.relative_to(SOURCE).as_posix()
        of_mapping = re.search(r"\.map\.yaml$|\.cases/", name)
        if path.is_file() and (not of_mapping or name.split("/")[1].split(".")[0] in OURS):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    return target


@pytest.fixture
async def running(tmp_path: Path, folder: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    """A bridge that reads its mappings from a folder of its own."""
    (tmp_path / "world").mkdir()

    def own_folder(settings):  # type: ignore[no-untyped-def]
        return settings.model_copy(
            update={"mappings": settings.mappings.model_copy(update={"folder": folder})}
        )

    async with open_world(tmp_path / "world", pki, clock, settings_change=own_folder) as world:
        yield world


def edit(file: Path, old: str, new: str) -> None:
    """As an editor saves it: another file under the same name."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    made = file.with_suffix(".new")
    made.write_text(text.replace(old, new, 1), encoding="utf-8")
    os.replace(made, file)


async def test_changed_mapping_is_taken_up(running: World, folder: Path) -> None:
    watch = Watch(running.bridge)
    edit(folder / MAPPING, "version: 1", "version: 2")
    await watch.look()
    assert running.bridge.mappings.named("vt-melding").label == "vt-melding@2"  # type: ignore[union-attr]
    assert MAPPINGS not in running.bridge.problems


async def test_unchanged_mappings_are_not_read_again(running: World, folder: Path) -> None:
    watch, before = Watch(running.bridge), running.bridge.mappings
    await watch.look()
    assert running.bridge.mappings is before


async def test_mapping_with_a_lint_error_leaves_the_former_set_in_use(running: World, folder: Path) -> None:
    watch, before = Watch(running.bridge), running.bridge.mappings
    edit(folder / MAPPING, "jz:object/jz:datumIncident,", "jz:object/jz:datumIncidnet,")
    with capture_logs() as logs:
        await watch.look()
    assert running.bridge.mappings is before
    assert "did you mean jz:datumIncident?" in "\n".join(running.bridge.problems[MAPPINGS])
    told = [line["event"] for line in logs if line["event"].startswith("mappings")]
    assert told == ["mappings.not_taken_up"]


async def test_mapping_with_a_failing_case_leaves_the_former_set_in_use(running: World, folder: Path) -> None:
    watch, before = Watch(running.bridge), running.bridge.mappings
    edit(folder / MAPPING, "resource: minderjarigeBetrokken", "resource: anders")
    await watch.look()
    assert running.bridge.mappings is before
    assert any("typical.yaml" in line and "M502" in line for line in running.bridge.problems[MAPPINGS])


async def test_failing_case_is_told_without_what_stands_in_it(running: World, folder: Path) -> None:
    watch = Watch(running.bridge)
    edit(folder / CASE, 'data: {bsn: "999990019"', 'data: {bsn: "999990020"')
    with capture_logs() as logs:
        await watch.look()
    said = "\n".join(running.bridge.problems[MAPPINGS]) + str(logs)
    assert "typical.yaml" in said
    assert "99999" not in said


async def test_mended_mapping_takes_the_problem_away(running: World, folder: Path) -> None:
    watch = Watch(running.bridge)
    edit(folder / MAPPING, "jz:object/jz:datumIncident,", "jz:object/jz:datumIncidnet,")
    await watch.look()
    edit(folder / MAPPING, "jz:object/jz:datumIncidnet,", "jz:object/jz:datumIncident,")
    await watch.look()
    assert MAPPINGS not in running.bridge.problems


async def test_removed_folder_leaves_the_former_set_in_use(running: World, folder: Path) -> None:
    watch, before = Watch(running.bridge), running.bridge.mappings
    shutil.rmtree(folder)
    await watch.look()
    assert running.bridge.mappings is before
    assert running.bridge.problems[MAPPINGS]


async def test_message_keeps_the_version_that_mapped_it(running: World, folder: Path) -> None:
    watch = Watch(running.bridge)
    await running.partner.send(running.sample, "vtMelding")
    await running.work(seconds=1)
    edit(folder / MAPPING, "version: 1", "version: 2")
    await watch.look()
    await running.partner.send(running.sample, "vtMelding")
    await running.work(seconds=1)
    assert [m.mapping for m in running.messages() if m.mapping] == ["vt-melding@1", "vt-melding@2"]


def test_file_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "stuf-jz" / "lists" / "bad.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Exception, match="UTF-8"):
        checked_mappings(folder)
