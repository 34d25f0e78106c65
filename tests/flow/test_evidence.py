"""The evidence archive, verified with nothing of the bridge: zipfile, hashlib, json, lxml and xmlsec."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from sqlalchemy import update

from bridge.flow.content import Standing, open_message
from bridge.flow.evidence import gather_evidence, write_archive
from bridge.flow.purge import needs_of
from bridge.flow.seal_journal import start_sealing
from bridge.store import tables
from bridge.store.exchanges import set_exchange
from bridge.store.holds import hold_exchange
from bridge.store.purge import purge_due
from bridge.store.retention import Retention, find_due
from bridge.store.rows import Content, ExchangeState, PurgeRun
from tests.flow.conftest import World

DS = "{http://www.w3.org/2000/09/xmldsig#}"


async def export(world: World, what: str = "vtMelding") -> zipfile.ZipFile:
    """Send a message and take its archive."""
    await world.partner.send(world.sample, what)
    await world.work()
    await world.bridge.store.write(lambda tx: start_sealing(tx, world.bridge))
    await world.work()
    return archive_of(world)


def archive_of(world: World) -> zipfile.ZipFile:
    key = world.messages()[0].key
    dossier = world.bridge.store.read_sync(lambda tx: gather_evidence(tx, key))
    folder = world.bridge.settings.agreements.folder
    stream = io.BytesIO()
    cpas = [path.read_bytes() for path in folder.glob("*.xml")]
    write_archive(stream, dossier, agreements=cpas, at=world.clock.now)
    return zipfile.ZipFile(stream)


def manifest_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return found


def files(archive: zipfile.ZipFile, what: str) -> list[dict[str, Any]]:
    return [file for file in manifest_of(archive)["files"] if file.get("what") == what]


@contextmanager
def resolving(known: dict[bytes, bytes]) -> Iterator[None]:
    """Lets xmlsec fetch `cid:` URIs: what `--url-map` is to the command."""
    xmlsec.cleanup_callbacks()
    xmlsec.register_callbacks(
        lambda name: name in known,
        lambda name: io.BytesIO(known[name]),
        lambda stream, buffer: stream.readinto(buffer),
        lambda stream: stream.close(),
    )
    try:
        yield
    finally:
        xmlsec.cleanup_callbacks()
        xmlsec.register_default_callbacks()


def verify(archive: zipfile.ZipFile, path: str) -> None:
    """As the README says: the signature of one envelope, with a certificate of the archive."""
    parts = {file["uri"].encode(): archive.read(file["path"]) for file in files(archive, "payload")}
    signer = next(file for file in files(archive, "certificate") if path in file["in"])
    assert any(place.startswith("agreement/") for place in signer["in"])
    root = etree.fromstring(archive.read(path))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(archive.read(signer["path"]), xmlsec.constants.KeyDataFormatCertPem)
    with resolving(parts):
        context.verify(root.find(f".//{DS}Signature"))


async def test_an_archive_is_verified_with_standard_tools(world: World) -> None:
    archive = await export(world)

    sums = dict(reversed(line.split("  ")) for line in archive.read("SHA256SUMS").decode().splitlines())
    assert set(sums) == set(archive.namelist()) - {"SHA256SUMS"}
    assert all(hashlib.sha256(archive.read(path)).hexdigest() == sums[path] for path in sums)
    envelopes = [file["path"] for file in files(archive, "envelope") if file["signed"]]
    assert [path.split("/")[1] for path in envelopes] == ["01-received", "02-answer"]
    for path in envelopes:
        verify(archive, path)


async def test_the_receipt_repeats_the_digests_of_the_message(world: World) -> None:
    archive = await export(world)

    received, answer = (etree.fromstring(archive.read(file["path"])) for file in files(archive, "envelope"))
    signed = [d.text for d in received.iterfind(f".//{DS}SignedInfo/{DS}Reference/{DS}DigestValue")]
    repeated = [
        d.text for a in answer.iter("{*}Acknowledgment") for d in a.iterfind(f"{DS}Reference/{DS}DigestValue")
    ]
    assert repeated == signed and len(signed) == 2


async def test_a_changed_payload_does_not_verify(world: World) -> None:
    archive = await export(world)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as copy:
        for name in archive.namelist():
            octets = archive.read(name)
            copy.writestr(name, octets + b" " if name.startswith("payload/") else octets)

    with pytest.raises(xmlsec.Error):
        verify(zipfile.ZipFile(other), "wire/01-received/envelope.xml")


async def test_the_octets_are_those_of_the_wire(world: World) -> None:
    archive = await export(world)

    body = archive.read("wire/01-received/body")
    assert archive.read("wire/01-received/envelope.xml") in body
    assert archive.read("payload/01") == world.sample
    assert b"content-type: multipart/related" in archive.read("wire/01-received/headers.txt").lower()


async def test_the_timeline_tells_the_seal_of_each_step(world: World) -> None:
    archive = await export(world)

    timeline = json.loads(archive.read("timeline.json"))
    assert [line["what"] for line in timeline][:2] == ["message.received", "answer.stored"]
    assert all(len(line["digest"]) == 64 and line["seal"] >= 1 for line in timeline[:2])


async def test_a_step_that_was_changed_after_it_was_sealed_is_told_in_the_archive(world: World) -> None:
    whole = await export(world)
    (step, *_) = world.steps()
    change = update(tables.step).where(tables.step.c.seq == step.seq).values(outcome="failed")
    await world.bridge.store.write(lambda tx: tx.execute(change))
    changed = archive_of(world)

    assert manifest_of(whole)["changedSteps"] == [] and "WAS CHANGED" not in whole.read("README.txt").decode()
    assert manifest_of(changed)["changedSteps"] == [step.seq]
    assert f"Step {step.seq} in timeline.json is not what was sealed" in changed.read("README.txt").decode()


async def test_the_readme_names_the_files_of_this_archive(world: World) -> None:
    archive = await export(world)

    readme = archive.read("README.txt").decode()
    for path in (
        "wire/01-received/envelope.xml",
        "payload/01",
        "sha256sum -c SHA256SUMS",
        "xmlsec1 --verify --enabled-key-data key-name",
        "agreed on in agreement/cpa-1.xml",
    ):
        assert path in readme


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="needs the command xmlsec1")
async def test_the_commands_of_the_readme_pass_the_archive_and_not_a_file_signed_anew(
    world: World, tmp_path: Path
) -> None:
    """An attacker with a key of his own, which he puts into the file."""
    archive = await export(world)
    archive.extractall(tmp_path)

    assert verdicts_of_the_readme(tmp_path) == [True, True]
    path = tmp_path / "wire" / "01-received" / "envelope.xml"
    parts = {file["uri"].encode(): archive.read(file["path"]) for file in files(archive, "payload")}
    path.write_bytes(signed_anew(path.read_bytes(), parts))
    assert verdicts_of_the_readme(tmp_path) == [False, True]


def verdicts_of_the_readme(folder: Path) -> list[bool]:
    """Runs each signature check as it stands there."""
    readme = (folder / "README.txt").read_text().replace("\\\n", " ")
    commands = [line for line in readme.splitlines() if line.strip().startswith("xmlsec1 ")]
    more = " --lax-key-search" if " 1.2." not in run("xmlsec1 --version", folder).stdout else ""
    return [run(c.replace("--verify", "--verify" + more), folder).returncode == 0 for c in commands]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, shell=True, capture_output=True, text=True, check=False)


def signed_anew(envelope: bytes, parts: dict[bytes, bytes]) -> bytes:
    """Another action, signed by a new key, which stands in the KeyInfo."""
    root = etree.fromstring(envelope.replace(b"vtMelding<", b"vtAnders<"))
    signature = root.find(f".//{DS}Signature")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    info = signature.find(f"{DS}KeyInfo")
    info.clear()
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    with resolving(parts):
        context.sign(signature)
    value = etree.SubElement(etree.SubElement(info, f"{DS}KeyValue"), f"{DS}RSAKeyValue")
    numbers = key.public_key().public_numbers()
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes(-(-number.bit_length() // 8))
        etree.SubElement(value, DS + name).text = base64.b64encode(octets).decode()
    return etree.tostring(root)  # type: ignore[no-any-return]


async def test_an_archive_of_purged_content_says_so_and_still_has_the_receipt(world: World) -> None:
    await export(world)
    purge_first(world)
    archive = archive_of(world)

    assert "NO LONGER THERE" in archive.read("README.txt").decode()
    assert {p["content"] for p in manifest_of(archive)["purged"]} == {"payload", "evidence"}
    assert "wire/01-received/body" not in archive.namelist()
    verify(archive, "wire/02-answer/envelope.xml")


async def test_what_was_purged_is_not_shown_by_way_of_a_held_message_with_the_same_content(
    world: World,
) -> None:
    await export(world)
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    first, second = world.messages()[:2]
    store = world.bridge.store
    hold = partial(hold_exchange, at=world.clock.now, by="test", reason="klacht")
    store.write_sync(lambda tx: hold(tx, second.exchange))
    purge_first(world)

    (kept,) = store.read_sync(lambda tx: gather_evidence(tx, second.key)).payloads
    assert kept[1] == world.sample, "the octets themselves are there, for the held one"
    assert not [name for name in archive_of(world).namelist() if name.startswith("payload/")]
    opened = await asyncio.to_thread(open_message, store, world.bridge.mappings, first.key)
    assert {part.standing for part in opened.parts} == {Standing.PURGED}


def purge_first(world: World) -> None:
    """Everything of the first message is done, and past its retention."""
    message = world.messages()[0]
    store, retention = world.bridge.store, Retention(spans=dict.fromkeys(Content, timedelta(days=30)))
    store.write_sync(
        lambda tx: set_exchange(tx, message.exchange, state=ExchangeState.DONE, at=world.clock.now)
    )
    now = world.clock.forward(days=31)
    run = PurgeRun(key=world.bridge.new_key(), at=now, by="test", reason="test")
    needed = needs_of(world.bridge.agreements, now)
    for content in (Content.PAYLOAD, Content.EVIDENCE):
        due = store.read_sync(
            lambda tx, c=content: find_due(tx, c, retention, now=now, needed_until=needed)
        ).due
        store.write_sync(
            lambda tx, due=due: purge_due(tx, due, retention, run=run, now=now, needed_until=needed)
        )
