"""`bridge mapping …`: what scripts and integrators get to see."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from bridge.hub.profile import Mode, check_event, default_profile
from bridge.hub.reader import read_structured

SOURCE = Path(__file__).resolve().parents[2] / "mappings"
OURS = ("vt-melding", "vt-terugkoppeling")
CASES = "stuf-jz/vt-melding.cases"
MAPPING = "stuf-jz/vt-melding.map.yaml"
PARTIES = (
    "--from",
    "oin=00000001999990019000,systeem=meldkamer",
    "--to",
    "oin=00000001999990020000,systeem=vt-registratie",
)
CHILD, PARENT, NAME = "999990019", "999990020", "Proefpersoon"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two mappings of the repository in a folder of their own, which is the working folder's `mappings`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    target = tmp_path / "mappings"
    for path in sorted(SOURCE.rglob("*")):
        name = path.relative_to(SOURCE).as_posix()
        of_mapping = re.search(r"\.map\.yaml$|\.cases/", name)
        if path.is_file() and (not of_mapping or name.split("/")[1].split(".")[0] in OURS):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    return target


@pytest.fixture
def report(folder: Path) -> str:
    return str(folder / CASES / "typical.xml")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def holds(text: str, value: str) -> bool:
    """As a value of its own: an OIN may hold the digits of a BSN by chance."""
    return re.search(rf"(?<!\w){value}(?!\w)", text) is not None


def event_file(folder: Path, document: dict[str, Any]) -> str:
    file = folder / "event.json"
    file.write_text(json.dumps(document["events"][0]), encoding="utf-8")
    return str(file)


# --- run


def test_payload_becomes_events_as_the_bridge_would_publish_them(judge: Any, report: str) -> None:
    assert judge.run("mapping", "run", report) == 0
    (found,) = judge.documents()
    assert {"input", "mapping", "events", "resource"} <= found.keys()
    assert (found["input"], found["mapping"]) == (report, "vt-melding@1")
    event = read_structured(json.dumps(found["events"][0]).encode())
    assert not [f for f in check_event(event, Mode.PUBLISH, profile=default_profile()) if f.level == "error"]
    assert found["resource"]["body"]["id"] == "PL-2026-000001"


def test_same_input_gives_the_same_output(judge: Any, report: str) -> None:
    judge.run("mapping", "run", report)
    first = judge.out
    judge.run("mapping", "run", report)
    assert judge.out == first


def test_random_gives_other_ids_and_the_same_facts(judge: Any, report: str) -> None:
    judge.run("mapping", "run", report)
    (plain,) = judge.documents()
    judge.run("mapping", "run", report, "--random")
    (other,) = judge.documents()
    assert plain["events"][0]["id"] != other["events"][0]["id"]
    assert plain["resource"]["body"] == other["resource"]["body"]


def test_way_back_gives_the_same_message(judge: Any, report: str) -> None:
    assert judge.run("mapping", "run", report, "--back", *PARTIES) == 0
    (found,) = judge.documents()
    assert found["back"] == {"same": True, "differences": []}
    assert found["message"]["action"] == "vtMelding"


def test_the_answer_that_goes_back_to_the_sender_is_shown_beside_the_events(judge: Any) -> None:
    care_report = str(SOURCE / "stuf-jz/zorgmelding.cases/typical.xml")
    every = ("--mappings", str(SOURCE))
    assert judge.run("mapping", "run", care_report, "--answer", "refused", *every, *PARTIES) == 0
    (found,) = judge.documents()
    assert found["reference"] == "zm-ref-0001"
    assert found["answers"]["handled"] == "bv01"
    assert (found["reply"]["mapping"], found["reply"]["action"]) == ("fo01@2", "Fo01")
    assert "<stuf:crossRefnummer>zm-ref-0001<" in found["reply"]["payload"]


def test_a_message_that_is_not_answered_says_so_and_is_mapped_all_the_same(judge: Any, report: str) -> None:
    assert judge.run("mapping", "run", report, "--answer", "handled") == 0
    (found,) = judge.documents()
    assert found["reply"] == {"problem": "vt-melding@1 sends no answer when its message is handled"}
    assert found["events"]


def test_each_value_of_an_answer_is_explained(judge: Any) -> None:
    care_report = str(SOURCE / "stuf-jz/zorgmelding.cases/typical.xml")
    arguments = ("--answer", "refused", "--json", "--mappings", str(SOURCE))
    assert judge.run("mapping", "explain", care_report, *arguments) == 0
    (found,) = judge.documents()
    rows = {row["row"]: row["value"] for row in found["rows"]}
    assert found["mapping"] == "fo01@2"
    assert (rows["kruis"], rows["foutcode"]) == ("zm-ref-0001", "StUF058")


def test_event_becomes_a_message(judge: Any, folder: Path, report: str) -> None:
    judge.run("mapping", "run", report)
    (made,) = judge.documents()
    kept = folder / "kept.json"
    kept.write_text(json.dumps(made), encoding="utf-8")
    code = judge.run("mapping", "run", event_file(folder, made), "--resource", str(kept), *PARTIES)
    (found,) = judge.documents()
    assert code == 0
    assert {"service", "action", "payload"} <= found["message"].keys()
    assert etree.fromstring(found["message"]["payload"].encode()).tag.endswith("}vtMeldingDi01")


def test_event_that_needs_the_full_data_says_how_to_give_it(judge: Any, folder: Path, report: str) -> None:
    judge.run("mapping", "run", report)
    event = event_file(folder, judge.documents()[0])
    assert judge.run("mapping", "run", event) == 1
    (found,) = judge.documents()
    assert found["problem"]["code"] == "M933"
    assert "--resource FILE.json" in found["problem"]["text"]


def test_file_that_no_mapping_takes_is_a_problem(judge: Any, folder: Path) -> None:
    (folder / "other.xml").write_text("<ander/>", encoding="utf-8")
    assert judge.run("mapping", "run", str(folder / "other.xml")) == 1
    (found,) = judge.documents()
    assert found["mapping"] is None
    assert found["problem"]["code"] == "no-mapping"
    assert "jz:vtMeldingDi01" in found["problem"]["text"]


def test_every_input_has_its_line_when_one_is_broken(judge: Any, folder: Path, report: str) -> None:
    (folder / "broken.xml").write_text("<open>", encoding="utf-8")
    assert judge.run("mapping", "run", str(folder / "broken.xml"), report) == 1
    broken, good = judge.documents()
    assert (broken["mapping"], broken["problem"]["code"]) == (None, "unreadable")
    assert good["mapping"] == "vt-melding@1"


def test_rejected_message_names_the_rule_and_the_mapping(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "run", str(folder / CASES / "no-number.xml")) == 1
    (found,) = judge.documents()
    assert (found["mapping"], found["problem"]["code"]) == ("vt-melding@1", "M902")


def test_dash_reads_standard_input(judge: Any, report: str, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = Path(report).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    assert judge.run("mapping", "run", "-") == 0
    assert judge.documents()[0]["input"] == "-"


def test_lower_level_sees_nothing_personal_of_the_resource(judge: Any, report: str) -> None:
    judge.run("mapping", "run", report, "--level", "1")
    shown = json.dumps(judge.documents()[0]["resource"])
    assert not holds(shown, CHILD) and NAME not in shown
    assert "minderjarigeBetrokken" in shown


def test_levels_give_an_event_each_with_one_activity(judge: Any, report: str) -> None:
    judge.run("mapping", "run", report, "--levels")
    events = judge.documents()[0]["events"]
    assert [event["informatieniveau"] for event in events] == ["notification", "restricted", "full"]
    assert not holds(json.dumps(events[:2]), CHILD)
    assert holds(json.dumps(events[2]), CHILD)
    assert len({event["id"] for event in events}) == 3


def test_oin_of_the_sender_is_the_source(judge: Any, report: str) -> None:
    judge.run("mapping", "run", report, "--from", "00000001999990099000")
    assert "00000001999990099000" in judge.documents()[0]["events"][0]["source"]


@pytest.mark.parametrize("options", [["--from", "12"], ["--to", "naam"], ["--now", "2026-01-01T10:00:00"]])
def test_wrong_option_is_wrong_use(judge: Any, report: str, options: list[str]) -> None:
    assert judge.run("mapping", "run", report, *options) == 2


def test_without_a_mappings_folder_the_command_says_what_to_give(
    judge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.xml").write_text("<x/>", encoding="utf-8")
    assert judge.run("mapping", "run", "x.xml", "--config", "none.toml") == 1
    assert "--mappings DIR" in judge.err


# --- lint, rule, schema


def test_sound_folder_passes_lint(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "lint", str(folder)) == 0
    assert "0 errors" in judge.err


def test_lint_names_the_file_as_it_is_found_from_here(judge: Any, folder: Path) -> None:
    edit(folder / MAPPING, "jz:object/jz:datumIncident,", "jz:object/jz:datumIncidnet,")
    assert judge.run("mapping", "lint", "--json") == 1
    (found,) = judge.documents()
    assert found["file"] == f"mappings/{MAPPING}"
    assert (found["rule"], found["level"], found["replacement"]) == ("M201", "error", "jz:datumIncident")
    line = (folder / MAPPING).read_text(encoding="utf-8").splitlines()[found["line"] - 1]
    assert line[found["column"] - 1 :].startswith("jz:datumIncidnet")


def test_lint_of_one_file_leaves_the_others_out(judge: Any, folder: Path) -> None:
    edit(folder / MAPPING, "jz:object/jz:datumIncident,", "jz:object/jz:datumIncidnet,")
    assert judge.run("mapping", "lint", str(folder / "stuf-jz" / "vt-terugkoppeling.map.yaml")) == 0


def test_lint_speaks_to_build_servers(judge: Any, folder: Path) -> None:
    edit(folder / MAPPING, "jz:object/jz:datumIncident,", "jz:object/jz:datumIncidnet,")
    judge.run("mapping", "lint", "--format", "github")
    assert re.match(rf"::error file=mappings/{MAPPING},line=\d+,col=\d+,title=M201::", judge.out)
    judge.run("mapping", "lint", "--format", "sarif")
    (run,) = json.loads(judge.out)["runs"]
    assert run["results"][0]["ruleId"] == run["tool"]["driver"]["rules"][0]["id"] == "M201"


def test_fix_leaves_alone_what_is_more_than_a_name(judge: Any, folder: Path) -> None:
    edit(folder / MAPPING, "betreft: ->betrokkene,", "betreft: ->betrokkenen,")
    before = (folder / MAPPING).read_text(encoding="utf-8")
    assert judge.run("mapping", "lint", "--fix") == 1
    after = (folder / MAPPING).read_text(encoding="utf-8")
    assert after in (before, before.replace("->betrokkenen,", "->betrokkene,"))


def test_fix_never_writes_half_a_name(judge: Any, folder: Path) -> None:
    edit(folder / MAPPING, 'subject: "melding/{melding}"', 'subject: "melding/{meldng}"')
    judge.run("mapping", "lint", "--fix")
    after = (folder / MAPPING).read_text(encoding="utf-8")
    assert 'subject: "melding/{melding}"' in after or 'subject: "melding/{meldng}"' in after


def test_rule_is_told_with_a_right_and_a_wrong_example(judge: Any) -> None:
    assert judge.run("mapping", "rule", "m301") == 0
    assert "right:" in judge.out and "wrong:" in judge.out
    assert judge.run("mapping", "rule", "M000") == 2


def test_schema_takes_the_mappings(judge: Any) -> None:
    assert judge.run("mapping", "schema") == 0
    Draft202012Validator.check_schema(json.loads(judge.out))


# --- test, coverage


def test_cases_pass_and_are_counted(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "test", str(folder)) == 0
    assert re.search(r"✔ vt-melding: \d+ cases, 0 failed", judge.out)


def test_failed_case_shows_the_difference_at_its_line(judge: Any, folder: Path) -> None:
    edit(folder / CASES / "typical.yaml", "leeftijd: 9}", "leeftijd: 10}")
    assert judge.run("mapping", "test", "-k", "typical") == 1
    assert "events/0/data/leeftijd is 9, not 10" in judge.out
    assert f"mappings/{CASES}/typical.yaml:" in judge.out


def test_only_the_named_cases_are_run(judge: Any, folder: Path) -> None:
    judge.run("mapping", "test", "--json", "-k", "no-number")
    assert [one["file"] for one in judge.documents()] == [f"mappings/{CASES}/no-number.yaml"]


def test_junit_counts_what_failed(judge: Any, folder: Path) -> None:
    edit(folder / CASES / "typical.yaml", "leeftijd: 9}", "leeftijd: 10}")
    judge.run("mapping", "test", "--format", "junit")
    suite = etree.fromstring(judge.out.encode())
    assert suite.get("failures") == "1"
    assert len(suite.findall("testcase/failure")) == 1


def test_update_writes_the_golden_file_after_showing_the_difference(judge: Any, folder: Path) -> None:
    edit(folder / CASES / "typical.yaml", "  back: same", "  golden: typical.json\n  back: same")
    assert judge.run("mapping", "test", "-k", "typical", "--update", "--yes") == 0
    assert "golden file" in judge.out
    assert (folder / CASES / "typical.json").is_file()
    assert judge.run("mapping", "test", "-k", "typical") == 0
    edit(folder / CASES / "typical.json", "melding/PL-2026-000001", "melding/PL-2026-000002")
    assert judge.run("mapping", "test", "-k", "typical") == 1
    assert "events/0/subject: melding/PL-2026-000002 → melding/PL-2026-000001" in judge.out


def test_laws_hold_for_generated_messages(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "test", "--laws", "25") == 0, judge.out


def test_law_that_breaks_is_shown_with_its_seed(judge: Any, folder: Path) -> None:
    edit(
        folder / MAPPING,
        "resource: incident/omschrijving,",
        "resource: incident/omschrijving, as: truncate(3),",
    )
    assert judge.run("mapping", "test", "--laws", "10", "-k", "vt-melding", "--json") == 1
    laws = [one for one in judge.documents() if "law" in one]
    assert laws and "omschrijvingIncident" in laws[0]["findings"][0]["text"]


def test_coverage_lists_dropped_fields_and_rows_that_no_case_fills(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "coverage", "--json") == 0
    by_name = {one["mapping"]: one for one in judge.documents()}
    assert by_name["vt-melding@1"]["dropped"] == []
    shutil.rmtree(folder / CASES)
    judge.run("mapping", "coverage", "--json")
    by_name = {one["mapping"]: one for one in judge.documents()}
    assert "betrokkenen/bsn" in by_name["vt-melding@1"]["never"]


# --- explain


def test_explain_masks_what_is_about_a_person(judge: Any, report: str) -> None:
    assert judge.run("mapping", "explain", report) == 0
    assert not any(holds(judge.out, value) for value in (CHILD, PARENT, NAME, "Proefstraat"))
    assert "(bsn: 9 digits)" in judge.out


def test_explain_reveals_when_asked(judge: Any, report: str) -> None:
    judge.run("mapping", "explain", report, "--row", "bsn", "--reveal")
    assert CHILD in judge.out


def test_explain_tells_line_place_and_where_a_value_went(judge: Any, report: str) -> None:
    judge.run("mapping", "explain", report, "--row", "betrokkenen/1/bsn", "--json")
    ((row,),) = [document["rows"] for document in judge.documents()]
    line = Path(report).read_text(encoding="utf-8").splitlines()[row["line"] - 1]
    assert CHILD in line
    assert row["outputs"][0] == "resource/heeftBetrekkingOp/1/burgerservicenummer"
    assert any("melding-geregistreerd $betrokkene/" in place for place in row["outputs"])


def test_explain_goes_as_far_as_a_rejected_message_came(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "explain", str(folder / CASES / "no-number.xml"), "--json") == 1
    (found,) = judge.documents()
    assert found["rejected"] and found["rows"]
    assert [one["rule"] for one in found["findings"] if one["row"] == "melding"] == ["M902"]


# --- diff


def test_diff_of_the_same_folder_is_empty(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "diff", str(folder), str(folder), "--json") == 0
    assert judge.documents() == []


def test_diff_groups_what_changes_and_masks_values(judge: Any, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "old")
    edit(folder / MAPPING, "resource: incident/locatie,", "resource: incident/plaats,")
    assert judge.run("mapping", "diff", str(tmp_path / "old"), str(folder)) == 0
    assert "resource/incident/plaats" in judge.out
    assert "Proefstraat" not in judge.out


def test_diff_fails_when_a_lower_level_gains_a_value(judge: Any, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "old")
    edit(
        folder / MAPPING,
        "resource: incident/locatie,",
        "resource: incident/locatie, level: 1, because: proef,",
    )
    assert judge.run("mapping", "diff", str(tmp_path / "old"), str(folder), "--json") == 1
    gains = [gain for one in judge.documents() for gain in one["gains"]]
    assert any("resource at level 1: incident" in gain for gain in gains)


def test_diff_tells_what_fewer_people_would_see_and_does_not_fail_for_it(
    judge: Any, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "old")
    edit(
        tmp_path / "old" / MAPPING,
        "resource: incident/locatie,",
        "resource: incident/locatie, level: 1, because: proef,",
    )
    assert judge.run("mapping", "diff", str(tmp_path / "old"), str(folder)) == 0
    assert "Fewer people would see" in judge.out
    assert "resource at level 1: incident" in judge.out
    assert "More people would see" not in judge.out


def test_diff_names_a_message_that_no_mapping_takes(judge: Any, folder: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "other.xml").write_text("<other/>")
    assert judge.run("mapping", "diff", str(folder), str(folder), "--corpus", str(corpus)) == 0
    assert "other.xml proves nothing: no mapping takes other" in judge.err


# --- show, record, new


def test_show_tells_the_way_of_every_row(judge: Any, folder: Path) -> None:
    assert judge.run("mapping", "show", "vt-melding", "--json") == 0
    ways = {one["row"]: one["way"] for one in judge.documents()}
    assert (ways["datum"], ways["kindBsn"], ways["action"]) == ("⇄", "→", "←")
    assert judge.run("mapping", "show", "onbekend") == 2
    assert "vt-terugkoppeling" in judge.err


def test_record_has_every_field_of_the_message(judge: Any, folder: Path) -> None:
    judge.run("mapping", "record", "vt-melding")
    assert "| jz:object/jz:datumIncident | zaak | incDatum | ⇄ |" in judge.out
    judge.run("mapping", "record", "--all", "--json")
    assert [one["mapping"] for one in judge.documents()] == ["vt-melding@1", "vt-terugkoppeling@1"]


@pytest.mark.parametrize("root", ["jz:vtMeldingDi01", "jz:vtoDi01", "jz:ucobDi01", "jz:notificatieDi01"])
def test_new_mapping_leaves_only_the_todos_to_lint(judge: Any, folder: Path, root: str) -> None:
    assert judge.run("mapping", "new", "stuf-jz", root) == 0
    for mapping in folder.glob("stuf-jz/*.map.yaml"):
        mapping.unlink()
    (folder / "stuf-jz" / "new.map.yaml").write_text(judge.out, encoding="utf-8")
    judge.run("mapping", "lint", "--json")
    assert [
        one["text"] for one in judge.documents() if one["level"] == "error" and "todo" not in one["text"]
    ] == []


# --- XSDs

REFUSING = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="http://www.stufstandaarden.nl/koppelvlak/jz0100">
  <xs:element name="vtMeldingDi01"><xs:complexType><xs:sequence/></xs:complexType></xs:element></xs:schema>"""


@pytest.fixture
def refusing(tmp_path: Path) -> str:
    (tmp_path / "refusing.xsd").write_text(REFUSING, encoding="utf-8")
    return str(tmp_path / "refusing.xsd")


def test_run_with_an_xsd_tells_what_it_has_against_a_message(shell: Any, report: str, refusing: str) -> None:
    assert shell.run("mapping", "run", report, "--xsd", refusing) == 0
    (document,) = shell.documents()
    assert document["events"]
    [finding] = [one for one in document["findings"] if one["rule"] == "M940"]
    assert finding["place"].startswith("/jz:vtMeldingDi01")


def test_run_with_an_xsd_refuses_what_it_does_not_allow_to_be_composed(
    shell: Any, report: str, refusing: str
) -> None:
    assert shell.run("mapping", "run", report, "--back", "--xsd", f"stuf-jz={refusing}") == 0
    (document,) = shell.documents()
    assert "M941" in document["back"]["problem"]


def test_cases_are_judged_by_the_xsd_as_well(shell: Any, folder: Path, refusing: str) -> None:
    assert shell.run("mapping", "test", str(folder), "--xsd", refusing) == 1
    assert "M506" in shell.out


# --- full data and files of the same run


@pytest.fixture
def vto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A request with a file in it; all mappings are those of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    return str(SOURCE / "stuf-jz" / "vto.cases" / "typical.xml")


def message_of(documents: list[Any]) -> str:
    return str(documents[-1]["message"]["payload"])


def test_an_event_finds_its_full_data_and_files_among_the_messages_of_the_same_run(
    judge: Any, vto: str, tmp_path: Path
) -> None:
    assert judge.run("mapping", "run", vto, "--mappings", str(SOURCE)) == 0
    (made,) = judge.documents()
    (tmp_path / "event.json").write_text(json.dumps(made["events"][0]), encoding="utf-8")
    (tmp_path / "run.json").write_text(json.dumps(made), encoding="utf-8")
    assert judge.run("mapping", "run", vto, "event.json", "--mappings", str(SOURCE)) == 0
    assert "RmljdGllZiB2ZXJ6b2Vr" in message_of(judge.documents())
    assert judge.run("mapping", "run", "event.json", "--resource", "run.json", "--mappings", str(SOURCE)) == 0
    assert "RmljdGllZiB2ZXJ6b2Vr" in message_of(judge.documents())


def test_files_are_written_and_read_by_their_digest_alone_and_checked(
    judge: Any, vto: str, tmp_path: Path
) -> None:
    options = ("--mappings", str(SOURCE), "--attachments", "files")
    assert judge.run("mapping", "run", vto, *options) == 0
    (made,) = judge.documents()
    (tmp_path / "event.json").write_text(json.dumps(made["events"][0]), encoding="utf-8")
    (tmp_path / "resource.json").write_text(json.dumps(made["resource"]), encoding="utf-8")
    again = ("mapping", "run", "event.json", "--resource", "resource.json", *options)
    assert judge.run(*again) == 0
    assert "RmljdGllZiB2ZXJ6b2Vr" in message_of(judge.documents())
    for file in (tmp_path / "files").iterdir():
        assert re.fullmatch("[0-9a-f]{64}", file.name)
        file.write_bytes(b"something else")
    assert judge.run(*again) == 1
    assert "not at hand" in judge.documents()[0]["problem"]["text"]


def test_of_several_mappings_the_one_composes_whose_full_data_it_is(
    judge: Any, tmp_path: Path, vto: str
) -> None:
    for name in ("vt-melding", "zorgmelding", "melding-generiek"):
        message = str(SOURCE / "stuf-jz" / f"{name}.cases" / "typical.xml")
        assert judge.run("mapping", "run", message, "--mappings", str(SOURCE)) == 0
        (made,) = judge.documents()
        (tmp_path / "event.json").write_text(json.dumps(made["events"][0]), encoding="utf-8")
        assert judge.run("mapping", "run", message, "event.json", "--mappings", str(SOURCE)) == 0
        assert judge.documents()[-1]["mapping"].startswith(name)
