"""The webhooks of smsbridge mounted in real applications, each served on loopback: called with what makes a client."""

from __future__ import annotations

from contextlib import contextmanager

from servers import uvicorn_serves, wsgiref_serves
from smsbridge import AsyncSmsClient, SmsClient, web


@contextmanager
def fastapi(client):
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/sms", web.asgi(client(AsyncSmsClient)))
    with uvicorn_serves(app) as port:
        yield port


@contextmanager
def wsgi(client):
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    with wsgiref_serves(DispatcherMiddleware(None, {"/sms": web.wsgi(client(SmsClient))})) as port:
        yield port


@contextmanager
def flask(client):
    from flask import Flask

    app = Flask("shop")
    app.register_blueprint(web.blueprint(client(SmsClient)), url_prefix="/sms")
    with wsgiref_serves(app) as port:
        yield port
