"""What the application carries for every handler."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from bridge.flow.bridge import Bridge
from bridge.store.unit import Store

BRIDGE = web.AppKey("bridge", Bridge)
STORE = web.AppKey("store", Store)
NOW = web.AppKey[Callable[[], datetime]]("now")
