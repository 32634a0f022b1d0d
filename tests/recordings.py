# ruff: noqa: RUF012  # subclasses set class attributes
"""Recordings of the wire: a client makes them, both clients replay them, and each names its source.

Subclass :class:`Recordings` for a provider, with a test for each recording; cassettes/README.md lists them all, and says how
they are made.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest
import vcr
import yaml
from vcr.request import Request

from recorder import serving
from smsbridge import AsyncSmsClient, HttpResponse, SendError, Settings, SmsClient

CASSETTES = Path(__file__).parents[1] / "cassettes"
README = CASSETTES / "README.md"
MARKS = {"sandbox": "x-sandbox", "documented examples": "x-documented-example"}
"""The stand-ins for a service, and the header of their answers."""
ASKED_WITH = frozenset({"accept", "accept-encoding", "content-length", "content-type", "user-agent"})
KEEP_HEADERS = frozenset({"content-type", "retry-after", *MARKS.values()})


# --- scrubbing ------------------------------------------------------------------------------------------------------------


class Scrubber:
    """Removes private values from a recording.

    ``words`` are pairs of what is private, a text or a pattern, and what is kept in its place. Of an answer's headers,
    those in ``keep_headers`` stay.
    """

    def __init__(self, words, keep_headers=KEEP_HEADERS):
        words = list(words)
        self._patterns = [pair for pair in words if isinstance(pair[0], re.Pattern)]
        texts = [(private.lstrip("+"), public.lstrip("+")) for private, public in words if isinstance(private, str)]
        forms = {
            form(private): form(public) for form in (_quoted, quote_plus, str) for private, public in texts if private
        }
        self._words = sorted(forms.items(), key=lambda pair: -len(pair[0]))  # a word may be a part of another
        self._keep = keep_headers

    def text(self, text):
        for private, public in self._words:
            text = text.replace(private, public)
        for pattern, public in self._patterns:
            text = pattern.sub(public, text)
        return text

    def request(self, request):
        body = request.body or b""
        uri = self.text(request.uri)
        headers = {**_only(ASKED_WITH, request.headers), "host": urlsplit(uri).netloc}
        return Request(request.method, uri, self.text(body.decode()).encode(), headers)

    def response(self, response):
        body = response["body"].get("string") or b""
        text = body.decode() if isinstance(body, bytes) else body
        return {
            **response,
            "headers": _only(self._keep, response["headers"]),
            "body": {"string": self.text(text).encode()},
        }


def _only(names, headers):
    return {name: value for name, value in headers.items() if name.lower() in names}


def _quoted(text):
    return quote(text, safe="")


# --- stand-ins for a service ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """An answer that a vendor documents. ``source`` is the page or schema."""

    source: str
    data: Any
    """The body, as JSON; None if there is none."""
    status: int = 200
    content_type: str = "application/json"

    def answer(self):
        return HttpResponse(
            status=self.status,
            headers={"content-type": self.content_type, MARKS["documented examples"]: self.source},
            body=b"" if self.data is None else json.dumps(self.data).encode(),
        )


# --- recording and replaying ----------------------------------------------------------------------------------------------


def recording(config):
    return config.getoption("--record-mode") not in (None, "none")


class Recordings:
    """The recordings of a provider. ``send.yaml`` holds a single text, :attr:`text`."""

    provider_class = None
    public = {}
    """The values in recordings: by setting, and ``number``, the recipient.

    A maintainer gives the real values in the environment; the default of a base URL is the provider's.
    """
    secret = ""
    """The setting without which there is no account, so that a stand-in is recorded."""
    basic = ()
    """The settings that make the user and the password of Basic authentication."""
    fresh = ()
    """The names in ``public`` that are no settings, but are invented for each recording."""
    settings = {}
    """Settings with the same value in each recording."""
    words = ()
    """More words to scrub, in the form of the Scrubber."""
    numbers = ()
    """The numbers that may be in recordings: those of the documentation."""
    ids = r"(?!)"
    """Settings that identify an account: a recording may only have the public value."""
    text = {"text": "Grüße, ₹ 100 received", "reference": "cassette-send"}

    def __init_subclass__(cls):
        cls.variables = {
            name: f"SMSBRIDGE_{'RECORD_TO' if name == 'number' else f'{cls.provider_class.name}_{name}'}".upper()
            for name in cls.public
            if name not in cls.fresh
        }
        # Read now, before the tests' environment is cleaned.
        cls._given = {name: os.environ.get(variable, "") for name, variable in cls.variables.items()}
        cls.cassettes = CASSETTES / cls.provider_class.name

    def documented(self, request):
        """The :class:`Example` that answers ``request``."""
        raise NotImplementedError

    @contextmanager
    def stand_in(self):
        """Values that replace ``public`` to reach the stand-in: a server for each base URL."""
        with ExitStack() as servers:
            yield {
                name: servers.enter_context(serving(lambda request: self.documented(request).answer()))
                + urlsplit(value).path
                for name, value in self.public.items()
                if name.endswith("base_url")
            }

    def provider(self, account, **changes):
        names = account.keys() & self.provider_class.model_fields
        return self.provider_class(**{**{name: account[name] for name in names}, **self.settings, **changes})

    def scrubber(self, account):
        words = [(account[name], public) for name, public in self.public.items()]
        if self.basic:
            words.append((_basic(*(account[name] for name in self.basic)), "BASIC"))
        return Scrubber([*words, *self.words])

    def _defaults(self):
        fields = self.provider_class.model_fields.items()
        return {name: field.default for name, field in fields if name.endswith("base_url") and not field.is_required()}

    def _account(self):
        """The maintainer's value of a setting."""
        account = {name: given or self._defaults().get(name) for name, given in self._given.items()}
        missing = [self.variables[name] for name, value in account.items() if not value]
        if missing:
            pytest.fail(f"set these too: {', '.join(missing)}", pytrace=False)  # exit() says nothing under xdist
        provider = self.provider(account)
        return {name: getattr(provider, name) if name.endswith("base_url") else account[name] for name in account}

    @pytest.fixture
    def account(self, request):
        """The settings to send with: while recording, the maintainer's, or those that reach a stand-in; replaying needs neither."""
        fresh = {name: secrets.token_hex(4) for name in self.fresh}
        if not recording(request.config):
            yield self.public
        elif self._given[self.secret]:
            yield {**self._account(), **fresh}
        else:
            with self.stand_in() as reached:
                yield {**self.public, **reached, **fresh}

    @pytest.fixture
    def vcr_config(self, account):
        scrubber = self.scrubber(account)
        return {
            "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
            "before_record_request": scrubber.request,
            "before_record_response": scrubber.response,
            "decode_compressed_response": True,
        }

    @pytest.fixture
    def vcr_cassette_dir(self):
        return str(self.cassettes)

    def pytest_generate_tests(self, metafunc):
        """Only one client records, so that no text is sent twice; both replay."""
        if "call" in metafunc.fixturenames:
            clients = ["blocking"] if recording(metafunc.config) else ["blocking", "async"]
            metafunc.parametrize("call", clients, indirect=True)

    @pytest.fixture
    def call(self, request, account):
        """A function that calls a method of either client: ``call("send", ...)``; ``changes`` are other settings of the provider."""
        settings = Settings(concurrency=1)

        def blocking(method, *args, changes=None, **fields):
            with SmsClient(self.provider(account, **(changes or {})), settings=settings) as sms:
                result = getattr(sms, method)(*args, **fields)
                return list(result) if method == "send_many" else result

        async def awaited(method, *args, changes=None, **fields):
            async with AsyncSmsClient(self.provider(account, **(changes or {})), settings=settings) as sms:
                result = getattr(sms, method)(*args, **fields)
                return [each_result async for each_result in result] if method == "send_many" else await result

        if request.param == "blocking":
            return blocking
        return lambda *args, **fields: asyncio.run(awaited(*args, **fields))

    @pytest.fixture(autouse=True)
    def everything_recorded_is_played(self, request):
        yield
        if request.node.get_closest_marker("vcr") and not recording(request.config):
            assert request.getfixturevalue("vcr").all_played, "the recording holds requests that were not made"

    # --- checks of all recordings -----

    def test_a_request_that_differs_from_the_recording_does_not_replay(self, request, vcr_config):
        if recording(request.config):
            pytest.skip("this test is about replay, not about recording")
        recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(self.cassettes / "send.yaml"))
        with recorded, SmsClient(self.provider(self.public)) as sms:
            with pytest.raises(SendError):
                sms.send(self.public["number"], **{**self.text, "text": "another text"})
            assert sms.send(self.public["number"], **self.text)

    def test_every_cassette_says_what_answered_it(self):
        """A stand-in marks its answers: no recording can pass for the service's, or mix both."""
        name = self.provider_class.name
        rows = re.findall(rf"^\| `{name}/(\S+)` \|[^|]*\| ([^|]*) \|", README.read_text("utf-8"), re.MULTILINE)
        answered = [(path.name, " and ".join(_answered_by(path))) for path in self.cassettes.glob("*.yaml")]
        assert answered
        assert sorted(rows) == sorted(answered), sorted({*rows} ^ {*answered})

    def test_no_cassette_holds_a_secret_or_a_real_number(self):
        numbers = {number.lstrip("+") for number in (self.public["number"], self.public["sender"], *self.numbers)}
        for path in self.cassettes.glob("*.yaml"):
            text = path.read_text("utf-8")
            for word in ("authorization", "127.0.0.1", "sandbox-token", self.public[self.secret]):
                assert word.lower() not in text.lower(), path.name
            assert set(re.findall(r"(?<![\d-])\d{11,13}(?!\d)", text)) <= numbers, path.name
            assert set(re.findall(self.ids, text)) <= set(self.public.values()), path.name

    def test_what_a_maintainer_records_holds_nothing_of_the_account(self):
        private = {name: _of_a_maintainer(name) for name in self.public}
        scrubber = self.scrubber(private)
        basic = _basic(*(private[name] for name in self.basic)) if self.basic else "-"
        everywhere = {**private, "basic": basic}
        private_headers = {"Authorization": f"Basic {basic}", "Cookie": basic, "X-Key": private[self.secret]}
        kept = scrubber.request(
            Request(
                "POST",
                f"{private['base_url']}?{urlencode(everywhere)}&{urlencode(everywhere, quote_via=quote, safe='')}",
                f"{json.dumps(everywhere)}{urlencode(everywhere)}",
                {**private_headers, "Host": urlsplit(private["base_url"]).netloc, "Content-Type": "text/plain"},
            )
        )
        answer = {"body": {"string": json.dumps(everywhere)}, "headers": {"Set-Cookie": [basic], "Retry-After": ["1"]}}
        kept_answer = scrubber.response(answer)
        everything = f"{kept.uri} {kept.headers} {kept.body!r} {kept_answer}"
        for word in ("maintainer", "919811111111", "447911111111", basic if self.basic else "maintainer"):
            assert word not in everything
        assert {"Content-Type", "host"} == set(kept.headers)
        assert kept_answer["headers"] == {"Retry-After": ["1"]}
        read = json.loads(kept_answer["body"]["string"])
        assert {name: read[name].lstrip("+") for name in private} == {
            name: value.lstrip("+") for name, value in self.public.items()
        }

    def test_the_table_s_page_says_how_to_record_again(self):
        page = README.read_text("utf-8")
        assert f"uv run pytest tests/plugins/test_{self.provider_class.name}_cassettes.py --record-mode=rewrite" in page
        needed = {variable for name, variable in self.variables.items() if name not in self._defaults()}
        assert not {variable for variable in needed if f"`{variable}`" not in page}


def _answered_by(path):
    """The sources of the answers in a recording; more than one if they differ."""
    answers = [
        interaction["response"]["headers"] for interaction in yaml.safe_load(path.read_text("utf-8"))["interactions"]
    ]
    marks = [
        {who for who, mark in MARKS.items() if mark in map(str.lower, answer)} or {"service"} for answer in answers
    ]
    return sorted(set().union(*marks))


def _basic(user, password):
    return b64encode(f"{user}:{password}".encode()).decode()


def _of_a_maintainer(name):
    if name.endswith("base_url"):
        return f"https://{name.replace('_', '-')}.maintainer.test/v1/"
    return {"number": "+919811111111", "sender": "+447911111111"}.get(name, f"1|{name}/of a maintainer+=")
