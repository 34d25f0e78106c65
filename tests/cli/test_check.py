"""`bridge check`: what would fail later is said now, all at once."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.ports import privilege_hint
from bridge.config import load_settings
from bridge.ebms.cpa import read_cpa
from bridge.pki import Flaw, Organisation, make_pki

SETTINGS = """
host_name = "bridge.example.nl"
production = {production}
[store]
url = "sqlite:///bridge.sqlite3"
[partner_listener]
port = 0
[partner_listener.tls]
certificate = "own.pem"
key = "own.key"
trust = "trust.pem"
crl = "crl.pem"
[api_listener]
port = 0
[console]
port = 0
[hub]
base_url = "https://hub.example/api"
[hub.tls]
certificate = "own.pem"
key = "own.key"
trust = "trust.pem"
[identifiers]
namespace = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
person_key_file = "person.key"
[[own_parties]]
name = "De brug"
party_id = "00000004445556667000"
certificate = "own.pem"
key = "own.key"
[[partners]]
name = "Partner"
party_id = "00000001112223334000"
system = "bvh"
"""

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def home(config: Path, office: Any) -> Path:
    """A folder with settings and files at which nothing is wrong."""
    folder = config.parent
    config.write_text(SETTINGS.format(production="false"), encoding="utf-8")
    copy_credentials(office, folder, "own")
    (folder / "trust.pem").write_bytes(office.pki.trust.read_bytes())
    (folder / "crl.pem").write_bytes(office.pki.crl.read_bytes())
    (folder / "person.key").write_bytes(bytes(32))
    (folder / "cpa").mkdir()
    (folder / "cpa" / "melding.xml").write_bytes(office.cpa("osb-rm-s"))
    (folder / "mappings").mkdir()
    vocabulary = Path(__file__).resolve().parents[2] / "mappings" / "vocabulary.yaml"
    (folder / "mappings" / "vocabulary.yaml").write_bytes(vocabulary.read_bytes())
    return folder


@pytest.fixture
def check(shell: Any, home: Path, config: Path) -> Check:
    """The document; `code` is the expected exit code, every edit replaces a text of the settings."""

    def run(*edits: tuple[str, str], code: int = 0) -> dict[str, Any]:
        text = config.read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        config.write_text(text, encoding="utf-8")
        assert shell.run("check", "--json") == code, shell.out + shell.err
        (document,) = shell.documents()
        return dict(document)

    return run


PRODUCTION = ("production = false", "production = true")


def copy_credentials(office: Any, folder: Path, stem: str) -> None:
    files = office.pki.credentials(stem)
    (folder / "own.pem").write_bytes(files.certificate.read_bytes())
    (folder / "own.key").write_bytes(files.key.read_bytes())


def told(document: dict[str, Any], group: str, level: str = "error") -> str:
    """All texts of a group and level, with their places."""
    found = [f for f in document["findings"] if f["group"] == group and f["level"] == level]
    return "\n".join(f"{f['where']}: {f['text']}" for f in found)


def test_fault_of_the_settings_is_told_without_words_of_a_library(check: Check) -> None:
    found = check(("[console]\n", '[console]\nhost = "0.0.0.0"\n'), code=1)
    assert "console: plain HTTP is for loopback only" in told(found, "settings")


def test_good_settings_have_no_errors(check: Check) -> None:
    found = check()
    assert (found["ok"], found["errors"], found["production"]) == (True, 0, False)
    assert all(set(f) == {"group", "level", "where", "text"} for f in found["findings"])


def test_check_changes_nothing(check: Check, home: Path) -> None:
    before = sorted(home.rglob("*"))
    check()
    assert sorted(home.rglob("*")) == before


def test_all_groups_are_told_at_once(check: Check, home: Path) -> None:
    (home / "person.key").write_bytes(b"short")
    (home / "own.key").unlink()
    (home / "cpa" / "melding.xml").write_text("<broken")
    (home / "mappings" / "vocabulary.yaml").unlink()
    found = check(("https://hub.example/api", "hub.example"), code=1)
    groups = {f["group"] for f in found["findings"] if f["level"] == "error"}
    assert groups == {"settings", "certificates", "agreements", "mappings", "hub"}


def test_settings_that_cannot_be_read_are_findings_too(check: Check) -> None:
    found = check(("[partner_listener]\nport", "[partner_listener]\nprt"), code=1)
    assert found["production"] is None
    assert "did you mean port" in told(found, "settings")


def test_text_groups_what_to_do(shell: Any, home: Path) -> None:
    (home / "person.key").unlink()
    assert shell.run("check") == 1
    assert "Settings" in shell.out
    assert "person.key cannot be read" in shell.out
    assert "1 errors to mend first" in shell.err


# --- certificates


def test_key_of_another_certificate_is_found(check: Check, home: Path, office: Any) -> None:
    partner = office.pki.credentials("partner")
    (home / "own.key").write_bytes(partner.key.read_bytes())
    assert "None of the certificates belongs to the private key" in told(check(code=1), "certificates")


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (Flaw.EXPIRED, "expired on"),
        (Flaw.NOT_YET_VALID, "is valid only from"),
        (Flaw.OTHER_CA, "not issued under a trusted"),
        (Flaw.REVOKED, "was revoked"),
    ],
)
def test_certificate_that_partners_refuse_is_found(
    check: Check, home: Path, office: Any, flaw: Flaw, words: str
) -> None:
    wrong = Organisation(name="Brug", oin="00000004445556667000", stem=f"wrong-{flaw}")
    office.pki.make_wrong(wrong, flaw)
    copy_credentials(office, home, wrong.stem)
    (home / "crl.pem").write_bytes(office.pki.crl.read_bytes())
    assert words in told(check(code=1), "certificates")


@pytest.mark.rule("DK-69", "DK-118")
def test_self_signed_certificate_is_refused_in_production_alone(
    check: Check, home: Path, office: Any
) -> None:
    wrong = Organisation(name="Brug", oin="00000004445556667000", stem="self")
    office.pki.make_wrong(wrong, Flaw.SELF_SIGNED)
    copy_credentials(office, home, "self")
    assert "self-signed" in told(check(code=1), "certificates", "warning")
    assert "self-signed" in told(check(PRODUCTION, code=1), "certificates")


@pytest.mark.rule("DK-68")
def test_certificate_without_oin_is_refused_in_production(check: Check, home: Path, office: Any) -> None:
    wrong = Organisation(name="Brug", oin="00000004445556667000", stem="no-oin")
    office.pki.make_wrong(wrong, Flaw.NO_OIN)
    copy_credentials(office, home, "no-oin")
    assert "has no OIN" in told(check(code=1), "certificates", "warning")
    assert "has no OIN" in told(check(PRODUCTION, code=1), "certificates")


@pytest.mark.rule("DK-37")
def test_certificate_of_another_party_is_found(check: Check, home: Path, office: Any) -> None:
    copy_credentials(office, home, "partner")
    found = check(code=1)
    assert "is of OIN 00000001112223334000, not of this party" in told(found, "certificates", "warning")


def test_certificate_that_expires_soon_is_told_with_its_days(
    check: Check, home: Path, tmp_path_factory: pytest.TempPathFactory, office: Any
) -> None:
    own = Organisation(name="Brug", oin="00000004445556667000", stem="own")
    pki = make_pki(tmp_path_factory.mktemp("soon"), organisations=(own,), now=office.now, valid_days=10)
    for source, name in (
        (pki.credentials("own").certificate, "own.pem"),
        (pki.credentials("own").key, "own.key"),
        (pki.trust, "trust.pem"),
        (pki.crl, "crl.pem"),
    ):
        (home / name).write_bytes(source.read_bytes())
    found = check(code=1)  # the agreement names the former certificate
    assert "expires in 9 days" in told(found, "certificates", "warning")


@pytest.mark.rule("DK-139")
def test_production_trusts_the_hierarchy_of_pkioverheid_alone(check: Check) -> None:
    assert "DK-139" in told(check(PRODUCTION, code=1), "certificates")
    assert "DK-139" not in told(check(("production = true", "production = false")), "certificates")


@pytest.mark.rule("DK-70")
def test_missing_revocation_lists_are_told(check: Check) -> None:
    assert "(DK-70)" in told(check(('crl = "crl.pem"\n', "")), "certificates", "warning")


# --- agreements


def test_findings_of_an_agreement_carry_its_file(check: Check, home: Path, office: Any) -> None:
    cpa = office.cpa("osb-rm-s", ('value="agreed"', 'value="proposed"'))
    (home / "cpa" / "melding.xml").write_bytes(cpa)
    assert "melding.xml, Status:" in told(check(code=1), "agreements")


def test_agreement_whose_key_we_lack_is_found(check: Check, home: Path, office: Any) -> None:
    other = Organisation(name="Brug", oin="00000004445556667000", stem="other")
    office.pki.issue(other)
    copy_credentials(office, home, "other")
    assert "We do not hold the private key" in told(check(code=1), "agreements")


def test_two_files_with_one_agreement_are_found(check: Check, home: Path, office: Any) -> None:
    (home / "cpa" / "copy.xml").write_bytes(office.cpa("osb-rm-s"))
    assert "has the same cpaid and start as copy.xml" in told(check(code=1), "agreements")


def test_partner_without_agreement_and_agreement_without_partner_are_told(check: Check) -> None:
    found = check(('party_id = "00000001112223334000"', 'party_id = "00000001112223334999"'))
    warnings = told(found, "agreements", "warning")
    assert "partner 00000001112223334999: is in no agreement" in warnings
    assert "is not among the partners" in warnings


LIMIT = """[[agreements.limits]]
cpa_id = "{cpa_id}"
max_message_bytes = {whole}
max_part_bytes = {part}
[identifiers]"""


@pytest.mark.rule("DK-125")
def test_limits_of_an_agreement_that_is_not_there_are_found(check: Check, office: Any) -> None:
    there = read_cpa(office.cpa("osb-rm-s")).cpa_id
    good = LIMIT.format(cpa_id=there, whole=9000, part=8000)
    assert "agreements.limits" not in told(check(("[identifiers]", good)), "agreements", "warning")
    warnings = told(check((there, "misspelled")), "agreements", "warning")
    assert "agreements.limits misspelled: has limits in the settings, but no agreement" in warnings


def test_limits_that_contradict_each_other_are_found(check: Check) -> None:
    bad = LIMIT.format(cpa_id="x", whole=9000, part=9001)
    errors = told(check(("[identifiers]", bad), code=1), "settings")
    assert "max_part_bytes is more than max_message_bytes" in errors


@pytest.mark.rule("DK-30", "DK-128")
def test_production_refuses_plain_endpoints_and_sha1_of_agreements(
    check: Check, home: Path, office: Any
) -> None:
    cpa = office.cpa(
        "osb-rm-s",
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        ("https://partner.example.nl", "http://partner.example.nl"),
    )
    (home / "cpa" / "melding.xml").write_bytes(cpa)
    warnings = told(check(), "agreements", "warning")
    assert "DK-30" in warnings and "DK-128" in warnings
    errors = told(check(PRODUCTION, code=1), "agreements")
    assert "DK-30" in errors and "DK-128" in errors


# --- settings, store, listeners, hub


@pytest.mark.rule("DK-151")
def test_production_warns_of_party_ids_of_a_test(check: Check) -> None:
    found = check(
        PRODUCTION, ('party_id = "00000001112223334000"', 'party_id = "00000001112223334000_T"'), code=1
    )
    assert "test suffix" in told(found, "settings", "warning")


def test_party_that_is_ours_and_a_partner_is_found(check: Check) -> None:
    found = check(('party_id = "00000001112223334000"', 'party_id = "00000004445556667000"'), code=1)
    assert "once" in told(found, "settings")


def test_time_zone_that_does_not_exist_is_found(check: Check) -> None:
    found = check(("[console]", '[console]\ntimezone = "Europe/Atlantis"'), code=1)
    assert "console.timezone" in told(found, "settings")


def test_mapping_that_does_not_compile_is_told_with_its_file(check: Check, home: Path) -> None:
    (home / "mappings" / "bad.map.yaml").write_text("mapping: [", encoding="utf-8")
    assert "bad.map.yaml" in told(check(code=1), "mappings")


def test_store_that_is_out_of_date_is_found(check: Check, home: Path) -> None:
    (home / "bridge.sqlite3").write_bytes(b"no database" * 100)
    assert told(check(code=1), "store")


def test_store_that_is_not_there_yet_is_no_error(check: Check) -> None:
    assert "run `bridge store upgrade`" in told(check(), "store", "hint")


@pytest.mark.rule("DK-30")
def test_production_refuses_to_send_to_a_plain_intermediary(check: Check) -> None:
    partner = ('system = "bvh"', 'system = "bvh"\nurl = "http://gateway.example.nl/ebms"')
    assert "plain http" in told(check(partner), "settings", "warning")
    assert "plain http" in told(check(PRODUCTION, code=1), "settings")


def test_previous_certificate_of_a_roll_over_is_checked_too(check: Check, home: Path, office: Any) -> None:
    old = Organisation(name="Brug", oin="00000004445556667000", stem="previous")
    made = office.pki.make_wrong(old, Flaw.EXPIRED)
    (home / "old.pem").write_bytes(made.certificate.read_bytes())
    (home / "old.key").write_bytes(made.key.read_bytes())
    previous = 'previous_certificate = "old.pem"\nprevious_key = "old.key"\n[[partners]]'
    found = check(("[[partners]]", previous), code=1)
    assert "previous certificate" in told(found, "certificates")


def test_console_certificate_needs_no_oin(check: Check, home: Path, office: Any) -> None:
    made = office.pki.make_wrong(Organisation(name="Brug", oin="0" * 20, stem="console"), Flaw.NO_OIN)
    (home / "console.pem").write_bytes(made.certificate.read_bytes())
    (home / "console.key").write_bytes(made.key.read_bytes())
    tls = '[console.tls]\ncertificate = "console.pem"\nkey = "console.key"\n[hub]'
    assert "console" not in told(check(("[hub]", tls)), "certificates", "warning")
    (home / "console.key").unlink()
    assert "console.key" in told(check(code=1), "certificates")


@pytest.mark.rule("DK-30")
def test_production_refuses_a_plain_partner_listener(check: Check) -> None:
    tls = SETTINGS[SETTINGS.index("[partner_listener.tls]") : SETTINGS.index("[api_listener]")]
    assert "(DK-30)" in told(check((tls, "")), "listeners", "warning")
    assert "(DK-30)" in told(check(PRODUCTION, code=1), "listeners")


def test_port_that_is_taken_is_told_without_being_an_error(check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = check(("[console]\nport = 0", f"[console]\nport = {port}"))
    assert "listens on" in told(found, "listeners", "warning")


def test_address_of_another_machine_is_found(check: Check) -> None:
    found = check(
        ("[partner_listener]\nport = 0", '[partner_listener]\nhost = "192.0.2.1"\nport = 8443'), code=1
    )
    assert "cannot listen on 192.0.2.1:8443" in told(found, "listeners")


@pytest.mark.rule("DK-143")
@pytest.mark.parametrize(("production", "port"), [(True, 443), (False, 8443)])
def test_partners_are_served_on_443_in_production_unless_the_settings_say_otherwise(
    home: Path, config: Path, production: bool, port: int
) -> None:
    text = SETTINGS.format(production=str(production).lower())
    config.write_text(text.replace("[partner_listener]\nport = 0", "[partner_listener]"), encoding="utf-8")
    settings = load_settings(config, environment={})
    assert settings.partner_port == port
    other = settings.partner_listener.model_copy(update={"port": 9443})
    assert settings.model_copy(update={"partner_listener": other}).partner_port == 9443


@pytest.mark.rule("DK-143")
def test_another_port_in_production_is_told_since_something_must_forward_to_it(check: Check) -> None:
    found = check(PRODUCTION, ("[partner_listener]\nport = 0", "[partner_listener]\nport = 9443"), code=1)
    assert "something must forward to it" in told(found, "listeners", "hint")


def test_a_low_port_that_is_refused_says_what_gives_it_to_the_process() -> None:
    refused = PermissionError(13, "Permission denied")
    assert "CAP_NET_BIND_SERVICE" in privilege_hint(refused, 443)
    assert privilege_hint(refused, 8443) == ""
    assert privilege_hint(OSError(98, "Address already in use"), 443) == ""


def test_two_listeners_on_one_port_are_found(check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = check(
        ("[console]\nport = 0", f"[console]\nport = {port}"),
        ("[partner_listener]\nport = 0", f"[partner_listener]\nport = {port}"),
        code=1,
    )
    assert "has the port of the partner listener" in told(found, "listeners")


@pytest.mark.parametrize(
    "url",
    ["hub.example", "ftp://hub.example", "https://", "https://u:p@hub.example", "https://hub.example?a=b"],
)
def test_address_of_the_hub_that_is_no_address_is_found(check: Check, url: str) -> None:
    assert told(check(("https://hub.example/api", url), code=1), "hub")


def test_plain_hub_is_refused_in_production(check: Check) -> None:
    assert "plain http" in told(check(("https://hub.example", "http://hub.example")), "hub", "warning")
    assert "plain http" in told(check(PRODUCTION, code=1), "hub")


def test_no_secret_is_printed(check: Check, shell: Any) -> None:
    check(("https://hub.example/api", "https://user:s3cret@hub.example/"), code=1)
    assert "s3cret" not in shell.out + shell.err


def test_an_xsd_that_cannot_be_used_is_found(check: Check, home: Path) -> None:
    document = check(("[[partners]]", '[mappings.xsd]\nstuf-jz = "absent.xsd"\n[[partners]]'), code=1)
    assert "mappings.xsd.stuf-jz: there is no mapping of a message standard stuf-jz" in told(
        document, "mappings"
    )


# --- technical answers


def with_care_reports(home: Path, office: Any, *answers: str) -> None:
    """The mappings of the project, and an agreement in which the partner reports and we may send these actions."""
    shutil.copytree(Path(__file__).resolve().parents[2] / "mappings", home / "mappings", dirs_exist_ok=True)
    service = "jeugd:zorgmelding:1"
    actions = [{"service": service, "action": "zorgmelding", "from": "Melder"}]
    actions += [{"service": service, "action": answer, "from": "Ontvanger"} for answer in answers]
    (home / "cpa" / "melding.xml").write_bytes(office.cpa("osb-rm-s", action=actions))


def about_answers(document: dict[str, Any]) -> list[str]:
    return [f["text"] for f in document["findings"] if "how such a message fared" in f["text"]]


def test_an_agreement_without_a_place_for_the_answers_is_told(check: Check, home: Path, office: Any) -> None:
    with_care_reports(home, office, "Fo01")
    [text] = about_answers(check())
    assert text.startswith(
        "has no action Bv01 towards the sender of zorgmelding, which mapping zorgmelding answers"
    )


def test_an_agreement_with_a_place_for_them_is_good(check: Check, home: Path, office: Any) -> None:
    with_care_reports(home, office, "Bv01", "Fo01")
    assert about_answers(check()) == []


def test_answers_that_the_partner_does_without_need_no_place(check: Check, home: Path, office: Any) -> None:
    with_care_reports(home, office, "bevestig")
    assert about_answers(check(('system = "bvh"', 'system = "bvh"\ntechnical_answers = false'))) == []


@pytest.mark.rule("DK-138")
def test_without_a_file_of_lists_an_address_to_fetch_them_from_is_enough(check: Check) -> None:
    without = ('crl = "crl.pem"\n', "")
    assert "revocation lists" in told(check(without), "certificates", "warning")
    urls = ("[hub]\n", '[trust]\ncrl_urls = ["http://crl.example/latest.crl"]\n[hub]\n')
    assert "revocation lists" not in str(check(urls)), "the edits add up"


OIDC = """
login = "oidc"
[console.oidc]
issuer = "https://login.example"
client_id = "brug"
client_secret_file = "oidc.secret"
trust = "{trust}"
[[console.oidc.roles]]
claim = "groups"
value = "brug"
role = "operator"
"""
HOOK = """
[[alerts.webhooks]]
name = "meldkamer"
url = "https://meldkamer.example/"
secret_file = "hook.txt"
"""


def test_files_of_the_identity_provider_that_cannot_be_used_are_found(check: Check, home: Path) -> None:
    (home / "notes.txt").write_text("not a certificate")
    found = check(("[hub]\n", OIDC.format(trust="notes.txt") + "[hub]\n"), code=1)
    assert "oidc.secret cannot be read" in told(found, "settings")
    assert "notes.txt is no PEM file" in told(found, "settings")


def test_good_files_of_the_identity_provider_are_no_finding(check: Check, home: Path) -> None:
    (home / "oidc.secret").write_text("s3cret\n")
    found = check(("[hub]\n", OIDC.format(trust="trust.pem") + "[hub]\n"))
    assert "oidc" not in told(found, "settings", "warning")


def test_alert_channel_whose_secret_is_empty_is_a_warning(check: Check, home: Path) -> None:
    (home / "hook.txt").write_text("\n")
    found = check(("[hub]\n", HOOK + "[hub]\n"))
    assert "hook.txt holds no single line" in told(found, "settings", "warning")


REGISTRY = '[hub.registry]\nurl = "http://registry.example/schemas"\nfolder = "kept"\n[[partners]]'


def test_a_registry_over_plain_http_is_found(check: Check) -> None:
    assert "plain http" in told(check(("[[partners]]", REGISTRY)), "hub", "warning")


def test_a_registry_without_a_folder_that_can_be_written_is_found(check: Check, home: Path) -> None:
    settings = (home / "bridge.toml").read_text()
    (home / "kept").write_text("no folder")
    assert "nothing is kept" in told(check(("[[partners]]", REGISTRY)), "hub", "warning")
    (home / "bridge.toml").write_text(settings)
    bare = REGISTRY.replace('folder = "kept"\n', "")
    assert "give a folder" in told(check(("[[partners]]", bare)), "hub", "hint")


def test_a_key_that_every_user_can_read_is_told(shell: Any, home: Path) -> None:
    """As `openssl rand -out` leaves it where no umask was set."""
    with (home / "bridge.toml").open("a") as settings:
        settings.write('\n[store.encryption]\nkey_file = "store.key"\n')
    (home / "store.key").write_bytes(bytes(32))
    (home / "store.key").chmod(0o644)
    (home / "person.key").chmod(0o640)
    shell.run("check")
    assert "store.key can be read by every user" in shell.out
    assert "person.key can be read" not in shell.out
