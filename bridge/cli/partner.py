"""`bridge partner`: who is served and how it fares, pausing it, whether it is reached, and the test of its adapter."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bridge.cli.mending import (
    DryRun,
    Reason,
    check_reason_given,
    mended_document,
    tell_mended,
    with_bridge,
)
from bridge.cli.opened import NotFound
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import local_time, print_documents, print_facts, print_table, tell
from bridge.config import PartnerSettings, Settings
from bridge.flow.acceptance import Check, Trial, Verdict, try_partner
from bridge.flow.bridge import Bridge
from bridge.flow.mend import Actor, Mended, pause_partner, resume_partner
from bridge.flow.ping import Asked, Reached, ping
from bridge.store.channels import HUB, find_channel, list_channels
from bridge.store.rows import Channel

app = typer.Typer(
    help="Partners: list them, pause and resume one, reach it, test its adapter.", no_args_is_help=True
)

Party = Annotated[str, typer.Argument(help="PartyId (OIN) or whole name of the partner.")]
Endpoint = Annotated[str, typer.Argument(help="PartyId (OIN) or whole name of the partner, or `hub`.")]
Patience = Annotated[
    float,
    typer.Option("--within", min=0.1, max=600, help="Seconds to wait for an answer by a POST of its own."),
]


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show every partner and the hub: its agreements in force, and whether sending to it goes well.

    Example: bridge partner list
    """

    async def do(bridge: Bridge, _by: Actor) -> list[dict[str, str]]:
        channels = {channel.endpoint: channel for channel in await bridge.store.read(list_channels)}
        rows = [_row(bridge, partner, channels.get(partner.party_id)) for partner in bridge.settings.partners]
        sending = _sending(bridge, channels.get(HUB))
        return [*rows, {"name": HUB, "party": HUB, "agreements": "", "sending": sending}]

    rows = with_bridge(config, do)
    if json:
        print_documents(rows)
    else:
        columns = ("name", "party", "agreements", "sending")
        print_table(columns, [tuple(row[name] for name in columns) for row in rows], fold="agreements")


@app.command("pause")
def pause_(
    party: Endpoint,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Send nothing to a partner, or to the hub, until it is resumed. What comes up waits; receiving goes on.

    Example: bridge partner pause "Politie Eenheid Voorbeeld" --reason "they replace their server"
    """
    _hold(config, party, pausing=True, reason=reason, dry_run=dry_run, json=json)


@app.command("resume")
def resume_(
    party: Endpoint,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Send to a partner, or to the hub, again: at once, also when it was held because it did not answer.

    Example: bridge partner resume hub --reason "it is back"
    """
    _hold(config, party, pausing=False, reason=reason, dry_run=dry_run, json=json)


@app.command("ping")
def ping_(party: Party, config: Config = DEFAULT_CONFIG, json: Json = False, within: Patience = 10.0) -> None:
    """Send an ebMS Ping and wait for the Pong. Exit 1 when the partner is not reached, or refuses.

    A Pong by a POST of its own comes in at the running bridge. Example: bridge partner ping 00000001999990032000
    """

    async def do(bridge: Bridge, _by: Actor) -> Asked:
        return await ping(bridge, _find(bridge.settings, party), within=timedelta(seconds=within))

    asked = with_bridge(config, do)
    if json:
        print_documents([asdict(asked)])
    else:
        print_facts(asdict(asked))
    if asked.reached not in (Reached.ANSWERED, Reached.TAKEN):
        raise typer.Exit(1)


@app.command("test")
def test_(
    party: Party,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    within: Patience = 10.0,
    action: Annotated[
        str | None,
        typer.Option(
            "--action", help="Also send a message with this action, which the partner agreed to get."
        ),
    ] = None,
    payload: Annotated[
        Path | None, typer.Option("--payload", help="XML for that message; nothing about real people.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Stands in the audit log.")] = "acceptance test",
) -> None:
    """Try a partner's adapter: TLS and Ping; with --action a message, its repeat, and its status. Exit 1 on a failure.

    Answers by a POST of their own come in at the running bridge. What was sent stands in the list of exchanges.
    Example: bridge partner test 00000001999990032000 --action vtTerugkoppeling --payload proef.xml
    """
    if (action is None) != (payload is None):
        raise typer.BadParameter("give --action and --payload together", param_hint="--action")
    trial = Trial(action=action, payload=payload.read_bytes()) if action and payload else None

    async def do(bridge: Bridge, by: Actor) -> tuple[Check, ...]:
        partner = _find(bridge.settings, party)
        return await try_partner(
            bridge, partner, trial=trial, within=timedelta(seconds=within), by=by, reason=reason
        )

    checks = with_bridge(config, do)
    if json:
        print_documents(asdict(check) for check in checks)
    else:
        print_table(("check", "outcome", "what"), [(c.name, c.verdict, c.text) for c in checks], fold="what")
    if any(check.verdict is Verdict.FAILED for check in checks):
        raise typer.Exit(1)
    if not json and trial is None:
        tell("No message was sent; --action and --payload also try one, its repeat and its status.")


def _hold(config: Path, party: str, *, pausing: bool, reason: str, dry_run: bool, json: bool) -> None:
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> tuple[Mended, bool]:
        endpoint = HUB if party == HUB else _find(bridge.settings, party).party_id
        channel = await bridge.store.read(lambda tx: find_channel(tx, endpoint))
        idle = not pausing and not (channel and (channel.paused or channel.failures))
        if idle:
            return Mended(done=False, effects=()), idle
        hold = pause_partner if pausing else resume_partner
        return await hold(bridge, endpoint, dry_run=dry_run, by=by, reason=reason), idle

    mended, idle = with_bridge(config, do)
    if not idle:
        tell_mended(mended, dry_run=dry_run, json=json)
        return
    if json:
        print_documents([mended_document(mended, dry_run=dry_run)])
    tell(f"{party} is not paused and does not fail: there is nothing to resume.")


def _find(settings: Settings, text: str) -> PartnerSettings:
    """By PartyId or by name. Raises NotFound."""
    found = [p for p in settings.partners if text in (p.party_id, p.name)]
    if not found:
        like = next((p for p in settings.partners if text.casefold() in p.name.casefold()), None)
        hint = f'; did you mean "{like.name}"?' if like else ""
        raise NotFound(
            f"there is no partner {text!r}; give its PartyId (OIN) or its whole name, as `bridge partner list` shows "
            f"them{hint}"
        )
    return found[0]


def _row(bridge: Bridge, partner: PartnerSettings, channel: Channel | None) -> dict[str, str]:
    now = bridge.now()
    agreements = sorted(
        agreement.cpa_id
        for agreement in bridge.agreements.agreements
        if agreement.is_active(now)
        and any(i.value == partner.party_id for party in agreement.parties for i in party.party_ids)
    )
    return {
        "name": partner.name,
        "party": partner.party_id,
        "agreements": ", ".join(agreements) or "none in force",
        "sending": _sending(bridge, channel),
    }


def _sending(bridge: Bridge, channel: Channel | None) -> str:
    if channel is None or not (channel.paused or channel.failures):
        return "good"
    if channel.paused:
        return f"paused by {channel.paused_by}: {channel.reason}"
    said = f"failed {channel.failures} times: {channel.reason}"
    if channel.held_until is None or channel.held_until <= bridge.now():
        return said
    zone = ZoneInfo(bridge.settings.console.timezone)
    return f"{said}; tried again from {local_time(channel.held_until, zone)} ({zone}) on"
