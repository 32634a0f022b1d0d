"""The webhooks of a client, ready to mount: a route for each of its accounts, in ASGI, WSGI and Flask.

``POST`` and ``GET`` of ``{mount}/{account}`` take in what that account's vendor proves to have sent; everything is done
before the vendor gets its answer. ``HEAD`` finds out whether the route is there. For a view of another framework there
is :class:`Webhooks`.
"""

from __future__ import annotations

from .asgi_app import asgi
from .core import AsyncWebhooks, Webhooks
from .flask_blueprint import blueprint
from .wsgi_app import wsgi

__all__ = ["AsyncWebhooks", "Webhooks", "asgi", "blueprint", "wsgi"]
