"""`bridge cpa`: agreements judged, shown, imported and drafted."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_description import (
    ACTION_KEYS,
    ENCRYPTION_ALGORITHMS,
    KEYS,
    PARTY_KEYS,
    SERVICE_TYPE,
    CpaDescription,
)
from bridge.ebms.durations import parse_duration
from bridge.errors import ConfigError
from bridge.flow.agreement_folder import write_file
from bridge.ids import CpaId

OWN = "00000004445556667000"


@pytest.fixture
def cpa_file(office: Any, tmp_path: Path) -> Path:
    return write(tmp_path / "new.xml", office.cpa("osb-rm-s"))


@pytest.fixture
def folder(config: Path, office: Any) -> Path:
    """The agreements folder of the settings, which get the keys of the own party."""
    files = office.pki.credentials("own")
    (config.parent / "own.pem").write_bytes(files.certificate.read_bytes())
    (config.parent / "own.key").write_bytes(files.key.read_bytes())
    folder = config.parent / "cpa"
    folder.mkdir()
    return folder


def write(path: Path, octets: bytes) -> Path:
    path.write_bytes(octets)
    return path


# --- lint


def test_good_agreement_is_usable(judge: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "lint", str(cpa_file), "--own", OWN, "--json") == 0
    (found,) = judge.documents()
    assert (found["input"], found["cpaId"], found["usable"]) == (str(cpa_file), "melding_1", True)


def test_agreement_with_errors_gives_exit_code_1(judge: Any, office: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "a.xml", office.cpa("osb-rm", ('value="agreed"', 'value="proposed"')))
    assert judge.run("cpa", "lint", str(file), "--json") == 1
    findings = judge.documents()[0]["findings"]
    assert [f["code"] for f in findings if f["level"] == "error"] == ["status"]
    assert set(findings[0]) == {"code", "level", "where", "text"}


def test_own_party_that_the_agreement_does_not_name_is_an_error(judge: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "lint", str(cpa_file), "--own", "00000009998887776000", "--json") == 1
    assert "no-own-party" in [f["code"] for f in judge.documents()[0]["findings"]]


def test_without_own_nothing_is_said_about_whose_agreement_it_is(judge: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "lint", str(cpa_file), "--json") == 0
    codes = {f["code"] for f in judge.documents()[0]["findings"]}
    assert not codes & {"no-own-party", "no-private-key"}


def test_settings_tell_which_keys_we_hold(
    judge: Any, office: Any, cpa_file: Path, config: Path, folder: Path
) -> None:
    options = ("--config", str(config), "--json")
    assert judge.run("cpa", "lint", str(cpa_file), *options) == 0
    partner = office.pki.credentials("partner")
    (config.parent / "own.pem").write_bytes(partner.certificate.read_bytes())
    (config.parent / "own.key").write_bytes(partner.key.read_bytes())
    assert judge.run("cpa", "lint", str(cpa_file), *options) == 1
    assert "no-private-key" in [f["code"] for f in judge.documents()[0]["findings"]]


@pytest.mark.rule("DK-128")
def test_production_refuses_sha1_that_tests_may_use(judge: Any, office: Any, tmp_path: Path) -> None:
    sha256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    edits = (sha256, "http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    file = write(tmp_path / "a.xml", office.cpa("osb-rm-s", edits))
    assert judge.run("cpa", "lint", str(file)) == 0
    assert judge.run("cpa", "lint", str(file), "--production", "--json") == 1
    assert "sha1" in [f["code"] for f in judge.documents()[0]["findings"]]


def test_moment_of_judgement_is_that_of_the_option(judge: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "lint", str(cpa_file), "--now", "2090-01-01", "--json") == 1
    assert "expired" in [f["code"] for f in judge.documents()[0]["findings"]]


def test_what_is_no_agreement_is_told_in_a_sentence(judge: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "a.xml", b"<a/>")
    assert judge.run("cpa", "lint", str(file), "--own", OWN) == 1
    assert "no CPA 2.0" in judge.out
    assert "Traceback" not in judge.err
    assert judge.run("cpa", "show", str(file)) == 1
    assert "no CPA 2.0" in judge.err


def test_one_document_per_file(judge: Any, office: Any, cpa_file: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "b.xml", b"")
    assert judge.run("cpa", "lint", str(cpa_file), str(other), "--json") == 1
    assert [one["usable"] for one in judge.documents()] == [True, False]


# --- show


def test_show_tells_parties_actions_and_certificates_in_words(judge: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "show", str(cpa_file)) == 0
    for words in ("melding_1", "role Melder", "keten:melding:1, meld", "osb-rm-s", "up to 9 attempts", OWN):
        assert words in judge.out


def test_show_as_json_gives_the_same_as_values(judge: Any, office: Any, cpa_file: Path) -> None:
    assert judge.run("cpa", "show", str(cpa_file), "--json") == 0
    (found,) = judge.documents()
    assert [action["action"] for action in found["actions"]] == ["meld", "bevestig"]
    assert found["actions"][0]["profile"] == "osb-rm-s"
    assert found["actions"][0]["endpoint"] == "https://bridge.example.nl/ebms"
    assert found["actions"][0]["attempts"] == 9
    until = f"{office.pair('partner').certificate.not_valid_after_utc:%Y-%m-%d}"
    assert found["parties"][0]["certificates"][0]["until"] == until


# --- import


def test_import_puts_the_file_in_the_folder(shell: Any, cpa_file: Path, folder: Path) -> None:
    assert shell.run("cpa", "import", str(cpa_file), "--json") == 0
    assert shell.documents()[0]["action"] == "add"
    assert [path.name for path in folder.iterdir()] == ["melding_1.xml"]
    assert (folder / "melding_1.xml").read_bytes() == cpa_file.read_bytes()


def test_dry_run_changes_nothing(shell: Any, cpa_file: Path, folder: Path) -> None:
    assert shell.run("cpa", "import", str(cpa_file), "--dry-run") == 0
    assert "nothing was changed" in shell.out
    assert list(folder.iterdir()) == []


def test_importing_the_same_again_is_harmless(shell: Any, cpa_file: Path, folder: Path) -> None:
    shell.run("cpa", "import", str(cpa_file))
    assert shell.run("cpa", "import", str(cpa_file), "--json") == 0
    assert shell.documents()[0]["action"] == "unchanged"
    assert len(list(folder.iterdir())) == 1


def test_same_cpaid_with_other_content_is_refused_and_says_what_differs(
    shell: Any, office: Any, cpa_file: Path, folder: Path, tmp_path: Path
) -> None:
    shell.run("cpa", "import", str(cpa_file))
    other = write(tmp_path / "other.xml", office.cpa("osb-rm-s", retries=3))
    assert shell.run("cpa", "import", str(other)) == 1
    assert "becomes" in shell.out
    assert "up to 4 attempts" in shell.out
    assert "--replace" in shell.err
    assert (folder / "melding_1.xml").read_bytes() == cpa_file.read_bytes()


def test_replace_takes_the_place_of_the_file_that_held_it(
    shell: Any, office: Any, cpa_file: Path, folder: Path, tmp_path: Path
) -> None:
    write(folder / "partner.xml", cpa_file.read_bytes())
    other = write(tmp_path / "other.xml", office.cpa("osb-rm-s", retries=3))
    assert shell.run("cpa", "import", str(other), "--replace", "--json") == 0
    assert shell.documents()[0]["action"] == "replace"
    assert [path.name for path in folder.iterdir()] == ["partner.xml"]
    assert (folder / "partner.xml").read_bytes() == other.read_bytes()


def test_version_with_other_dates_can_stand_beside_the_first(
    shell: Any, office: Any, cpa_file: Path, folder: Path, tmp_path: Path
) -> None:
    shell.run("cpa", "import", str(cpa_file))
    later = write(tmp_path / "later.xml", office.cpa("osb-rm-s", start=office.now))
    assert shell.run("cpa", "import", str(later), "--beside") == 0
    starts = {read_cpa(path.read_bytes()).start for path in folder.iterdir()}
    assert len(starts) == 2
    third = write(tmp_path / "third.xml", office.cpa("osb-rm-s", start=office.now, retries=1))
    assert shell.run("cpa", "import", str(third), "--beside") == 1
    assert shell.run("cpa", "import", str(third), "--replace") == 0
    assert len(list(folder.iterdir())) == 2


def test_replace_and_beside_together_are_wrong_use(shell: Any, cpa_file: Path, folder: Path) -> None:
    assert shell.run("cpa", "import", str(cpa_file), "--replace", "--beside") == 2


def test_agreement_with_errors_is_not_imported(shell: Any, office: Any, folder: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.xml", office.cpa("osb-rm", ('value="agreed"', 'value="proposed"')))
    assert shell.run("cpa", "import", str(bad)) == 1
    assert "is not imported" in shell.out
    assert list(folder.iterdir()) == []


def test_hostile_cpaid_stays_in_the_folder(shell: Any, office: Any, folder: Path, tmp_path: Path) -> None:
    cpa = office.cpa("osb-rm", cpa_id="../../../outside/x")
    assert read_cpa(cpa).cpa_id == CpaId("../../../outside/x")
    assert shell.run("cpa", "import", str(write(tmp_path / "a.xml", cpa))) == 0
    (made,) = folder.iterdir()
    assert made.parent == folder
    assert "/" not in made.name and not made.name.startswith(".")


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "cpa"
    target.mkdir()
    (target / "inside").write_text("x")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_file(target, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpa"]


# --- create


DESCRIPTION = """
profile = "osb-rm-s"
start = {start:%Y-%m-%d}
end = {end:%Y-%m-%d}
[[party]]
name = "Partner"
oin = "00000001112223334000"
role = "Melder"
endpoint = "https://partner.example.nl/ebms"
certificate = "partner.pem"
[[party]]
name = "Brug"
oin = "00000004445556667000"
role = "Ontvanger"
endpoint = "https://bridge.example.nl/ebms"
certificate = "own.pem"
[[action]]
service = "keten:melding:1"
action = "meld"
from = "Melder"
"""


@pytest.fixture
def description(office: Any, tmp_path: Path) -> Path:
    for stem in ("partner", "own"):
        write(tmp_path / f"{stem}.pem", office.pki.credentials(stem).certificate.read_bytes())
    file = tmp_path / "melding.toml"
    agreement = read_cpa(office.cpa())
    file.write_text(DESCRIPTION.format(start=agreement.start, end=agreement.end), encoding="utf-8")
    return file


@pytest.mark.parametrize("verb", ["create", "generate"])
def test_create_drafts_an_agreement_that_is_usable(
    judge: Any, description: Path, tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out.xml"
    assert judge.run("cpa", verb, str(description), "--out", str(out), "--json") == 0
    assert judge.documents()[0]["usable"] is True
    assert judge.run("cpa", "lint", str(out), "--own", OWN) == 0


@pytest.mark.parametrize("change", ["", "retries = 20\n", 'retry_interval = "P1D"\n'])
def test_draft_has_nothing_against_itself(judge: Any, description: Path, tmp_path: Path, change: str) -> None:
    description.write_text(change + description.read_text(encoding="utf-8"), encoding="utf-8")
    judge.run("cpa", "create", str(description), "--out", str(tmp_path / "out.xml"), "--json")
    assert [f for f in judge.documents()[0]["findings"] if f["level"] != "hint"] == []


PARTNER_GUIDE = Path(__file__).resolve().parents[2] / "docs" / "partner.md"


@pytest.fixture
def example(office: Any, tmp_path: Path) -> Path:
    """The description of the guide, with the certificates that it names."""
    text = PARTNER_GUIDE.read_text(encoding="utf-8").partition("<!-- every key -->\n```toml\n")[2]
    for stem, name in (("partner", "politie"), ("own", "bridge")):
        write(tmp_path / f"{name}.crt.pem", office.pki.credentials(stem).certificate.read_bytes())
    return write(tmp_path / "example.toml", text.partition("```")[0].encode())


def test_create_makes_the_agreement_of_the_guide(judge: Any, example: Path, tmp_path: Path) -> None:
    assert judge.run("cpa", "create", str(example), "--out", str(tmp_path / "out.xml"), "--json") == 0
    assert judge.documents()[0]["cpaId"] == "melding_politie_veiligthuis_1"


def test_guide_shows_every_key_of_a_description(example: Path) -> None:
    table = tomllib.loads(example.read_text(encoding="utf-8"))
    assert set(table) == set(KEYS)
    assert set(table["party"][0]) == set(PARTY_KEYS)
    assert set(table["action"][0]) == set(ACTION_KEYS)


def test_defaults_of_the_guide_are_those_of_the_program(example: Path) -> None:
    defaults = {field.name: field.default for field in fields(CpaDescription)}
    table = tomllib.loads(example.read_text(encoding="utf-8"))
    assert table["retries"] == defaults["retries"]
    assert parse_duration(table["retry_interval"]) == defaults["retry_interval"]
    assert parse_duration(table["persist_duration"]) == defaults["persist_duration"]
    assert (table["sync"], table["ordered"]) == (defaults["sync"], defaults["ordered"])
    assert ENCRYPTION_ALGORITHMS[table["encryption_algorithm"]] == defaults["encryption_algorithm"]
    assert table["action"][0]["service_type"] == SERVICE_TYPE


def test_create_never_overwrites(judge: Any, description: Path, tmp_path: Path) -> None:
    out = write(tmp_path / "out.xml", b"precious")
    assert judge.run("cpa", "create", str(description), "--out", str(out)) == 2
    assert out.read_bytes() == b"precious"


def test_create_tells_every_fault_of_the_description(judge: Any, tmp_path: Path) -> None:
    file = tmp_path / "d.toml"
    file.write_text('profile = "osb-xx"\nretrys = 1\n')
    assert judge.run("cpa", "create", str(file), "--out", str(tmp_path / "o.xml")) == 1
    assert "did you mean retries" in judge.err
    assert "osb-xx" in judge.err
    file.write_text("profile = ")
    assert judge.run("cpa", "create", str(file), "--out", str(tmp_path / "o.xml")) == 1
    assert "not valid TOML" in judge.err


# --- agreements of the register


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "cpas"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference folder with agreements is not here")
def test_agreements_of_another_adapter_are_usable_and_shown(judge: Any) -> None:
    files = sorted(str(path) for path in SHARED.glob("*.xml"))
    own = ("--own", "00000000000000000001", "--now", "2026-11-23T12:00:00Z")
    assert judge.run("cpa", "lint", *files, *own, "--json") == 0
    assert all(document["usable"] for document in judge.documents())
    for file in files:
        assert judge.run("cpa", "show", file, "--json") == 0
        assert len(judge.documents()[0]["actions"]) == 4
