"""The client of an external decision point (AuthZEN): one question, one answer, nothing remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bridge.config import InzageSettings, PdpSettings
from bridge.flow.bridge import Bridge
from bridge.hub.json import write_json
from bridge.inzage.access import Question, Verdict
from bridge.inzage.authzen import PATH, NoDecision, read_decision, write_evaluation
from bridge.inzage.record import Trace
from bridge.log import get_logger
from bridge.web.tls import client_context

_MAX_ANSWER = 64 * 1024

_log = get_logger()


class DecisionPoint:
    """Asks one decision point. `is_reachable` is what the last question showed; None before the first."""

    def __init__(self, session: aiohttp.ClientSession, bridge: Bridge, settings: PdpSettings) -> None:
        self._session = session
        self._bridge = bridge
        self._url = settings.url.rstrip("/") + PATH
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_seconds)
        self.is_reachable: bool | None = None

    async def __call__(self, question: Question, trace: Trace) -> Verdict:
        """The verdict. Raises NoDecision when none came."""
        try:
            verdict = await self._ask(question, trace)
        except NoDecision as error:
            self.is_reachable = False
            _log.error("pdp.no_decision", reason=str(error), trace_id=trace.trace_id)
            raise
        self.is_reachable = True
        return verdict

    async def _ask(self, question: Question, trace: Trace) -> Verdict:
        inzage: InzageSettings = self._bridge.settings.inzage
        body = write_evaluation(
            question,
            now=self._bridge.now(),
            traceparent=trace.traceparent,
            activity=inzage.activity_url,
        )
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "traceparent": trace.traceparent,
            "X-Request-ID": str(self._bridge.new_uuid()),
        }
        try:
            async with self._session.post(
                self._url,
                data=write_json(body),
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                octets = await answer.content.read(_MAX_ANSWER + 1)
                while not answer.content.at_eof() and len(octets) <= _MAX_ANSWER:
                    octets += await answer.content.read(_MAX_ANSWER + 1 - len(octets))
                status = answer.status
        except TimeoutError as error:
            raise NoDecision("the decision point did not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoDecision(f"the decision point cannot be reached ({type(error).__name__})") from error
        return read_decision(status, octets, question, policy=self._url)


@asynccontextmanager
async def decision_point(bridge: Bridge, settings: PdpSettings) -> AsyncIterator[DecisionPoint]:
    """A client with its own session, which closes when the block ends. Raises ConfigError for its TLS files."""
    connector = aiohttp.TCPConnector(ssl=client_context(settings.tls) if settings.tls else True, limit=64)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield DecisionPoint(session, bridge, settings)
