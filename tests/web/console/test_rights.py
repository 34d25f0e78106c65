"""Every route asks a right, and every role has exactly the rights of the table."""

import re
from typing import Any

import pytest
from aiohttp import web

from bridge.store.rows import Role
from bridge.web.console.app import console_app
from bridge.web.console.rights import RIGHTS, Right, may
from bridge.web.console.routes import RIGHTS_OF_ROUTES, ROUTES
from bridge.web.console.text import Language, catalogue
from bridge.web.console.visitor import Visitor

FOR_ANYONE = {"/static/{name}", "/login", "/login/{token}", "/login/oidc", "/login/oidc/callback"}


def test_every_route_of_the_application_has_a_right(bridge: Any, options: Any) -> None:
    app = console_app(bridge, settings=options)
    routes = {
        ("GET" if route.method == "HEAD" else route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource
    }
    assert routes == set(RIGHTS_OF_ROUTES)


def test_only_the_login_page_and_static_files_are_for_anyone() -> None:
    assert {route.path for route in ROUTES if route.right is Right.ANYONE} == FOR_ANYONE


def test_every_role_has_its_row() -> None:
    assert set(RIGHTS) == set(Role)


def test_nobody_has_no_right_but_to_the_login_page() -> None:
    assert [right for right in Right if may(None, right)] == [Right.ANYONE, Right.SIGNED]


def test_only_the_identity_provider_proves_itself_by_a_token_in_the_call() -> None:
    signed = [(route.method, route.path) for route in ROUTES if route.right is Right.SIGNED]
    assert signed == [("POST", "/login/oidc/logout")]


@pytest.mark.parametrize("right", [Right.MEND, Right.PERSON, Right.AUDIT, Right.CONTENT])
def test_viewer_only_looks(right: Right) -> None:
    assert not may(Role.VIEWER, right)


def test_integrator_does_not_mend_and_does_not_search_people() -> None:
    assert not may(Role.INTEGRATOR, Right.MEND)
    assert not may(Role.INTEGRATOR, Right.PERSON)


def test_every_right_is_asked_by_some_route() -> None:
    assert {route.right for route in ROUTES} == set(Right)


@pytest.mark.parametrize("role", list(Role))
async def test_route_beyond_a_role_is_refused(enter: Any, role: Role) -> None:
    browser = await enter(role)
    token = await browser.token("/account")
    for route in ROUTES:
        if route.right is Right.ANYONE or may(role, route.right):
            continue
        path = re.sub(r"\{\w+\}", "x", route.path)
        async with browser.session.request(
            route.method, browser.base + path, data={"csrf": token} if route.method == "POST" else None
        ) as answer:
            assert (route.path, answer.status) == (route.path, 403)


async def test_route_without_a_right_is_answered_to_nobody(bridge: Any, options: Any) -> None:
    from tests.web.console.conftest import browsing

    async def secret(_: web.Request) -> web.Response:
        return web.Response(text="treasure")

    app = console_app(bridge, settings=options)
    app.router.add_get("/secret", secret)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with browsing(runner) as browser:
        assert "treasure" not in await browser.get("/secret", status=403)
    await runner.cleanup()


def test_form_token_does_not_show_the_session() -> None:
    visitor = Visitor(token="session-token")
    assert "session-token" not in visitor.form_token
    assert visitor.owns(visitor.form_token)
    assert not Visitor().owns(Visitor().form_token)


@pytest.mark.parametrize("role", list(Role))
async def test_now_says_that_nobody_is_told_to_who_can_mend_only(enter: Any, role: Role) -> None:
    page = await (await enter(role)).get("/")
    told = role in (Role.OPERATOR, Role.ADMINISTRATOR)
    assert (catalogue(Language.DUTCH)("now_page.untold") in page) is told
    assert ('<a href="/alerts#channels-title">' in page) is told
