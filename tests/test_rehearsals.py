"""Rehearsals (an outbox, a dry run): each has its own memory, and opens no configured file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import PrivateAttr

import smsbridge
from cli_acme import run
from smsbridge import (
    AsyncSmsClient,
    Call,
    ContentError,
    HttpRequest,
    HttpResponse,
    Message,
    OptedOutError,
    RateLimitedError,
    RefusedError,
    SendError,
    SmsClient,
    SmsProvider,
    Status,
    UnavailableError,
    VetoedError,
)
from smsbridge.attempts import attempt
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli.exits import Exit
from smsbridge.errors import NotConnected
from smsbridge.guard.policy import GuardPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import InboundMessage, Result
from smsbridge.optouts import MemoryOptOuts, SqliteOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.gate import Gate
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.stores.entries import Claim, Entry, EntryFilters, Kind, Outcome, State
from smsbridge.stores.memory import MemoryBook
from smsbridge.stores.sqlite import SqliteBook
from smsbridge.stores.sqlite_schema import LEDGER
from smsbridge.testing import FakeWire, Outbox, drive

NUMBER = "+919876543210"
OTHER = "+919123456780"


class Vendor(SmsProvider):
    """Accepts each text, unless the wire or an outbox decides otherwise."""

    name = "vendor"
    callback_secret: str = ""

    def send(self, message):
        response = yield from HttpRequest.post_json("https://vendor.example/sms", {"to": message.to}, sends=True)
        if response.status == 451:
            raise OptedOutError
        if not response.ok:
            raise response.error()
        return self.accepted(message, id="real", status=Status.QUEUED)

    def verify(self, webhook):
        pass

    def parse(self, webhook):
        return [
            InboundMessage(
                account=self.account, provider=self.name, id="in-1", sender=NUMBER, to="", text="STOP", key="in-1"
            )
        ]


# --- policies with a memory -----------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """A policy with a memory: a text from which it learns, and a text that it then refuses."""

    name: str
    policy: Any
    refuses: type[SendError]
    learns_from: type[SendError] | None = None
    settings: dict[str, str] = field(default_factory=dict)


MEMORIES = [
    Memory(
        "ledger",
        lambda inner, folder: LedgerPolicy(inner=inner, path=folder / "ledger.db"),
        ContentError,
        settings={"LEDGER_STORE": "sqlite:///ledger.db"},
    ),
    Memory(
        "opt-outs in a file",
        lambda inner, folder: OptoutPolicy(inner=inner, path=folder / "optouts.db"),
        OptedOutError,
        learns_from=OptedOutError,
        settings={"OPTOUT_STORE": "sqlite:///optouts.db"},
    ),
    Memory(
        "opt-outs in memory",
        lambda inner, folder: OptoutPolicy(inner=inner),
        OptedOutError,
        learns_from=OptedOutError,
        settings={"OPTOUT_PURPOSES": "transactional"},
    ),
    Memory(
        "opt-outs of the application",
        lambda inner, folder: OptoutPolicy(inner=inner).using(MemoryOptOuts()),
        OptedOutError,
        learns_from=OptedOutError,
    ),
    Memory(
        "cap",
        lambda inner, folder: GuardPolicy(inner=inner, per_recipient="1/1h"),
        VetoedError,
        settings={"GUARD_PER_RECIPIENT": "1/1h"},
    ),
    Memory(
        "limit",
        lambda inner, folder: LimitPolicy(inner=inner, sends="1/1h", longest_wait=1),
        RateLimitedError,
        settings={"LIMIT_SENDS": "1/1h", "LIMIT_LONGEST_WAIT": "1"},
    ),
    Memory(
        "breaker",
        lambda inner, folder: FailoverPolicy(accounts=[inner], faults=1),
        UnavailableError,
        learns_from=UnavailableError,
    ),
    Memory(
        "cap inside a failover",
        lambda inner, folder: FailoverPolicy(accounts=[GuardPolicy(inner=inner, total="1/1h")]),
        VetoedError,
    ),
]
each_memory = pytest.mark.parametrize("memory", MEMORIES, ids=lambda memory: memory.name)
each_client = pytest.mark.parametrize("kind", ["client", "async_client"])
ANSWERS = {None: HttpResponse(status=200), OptedOutError: HttpResponse(status=451), UnavailableError: NotConnected()}


class Application:
    """An application with a client on a scripted wire."""

    def __init__(self, memory, kind, folder):
        self.memory = memory
        self.answer = HttpResponse(status=200)
        self.wire = FakeWire(always=lambda _: self.answer)
        self.client = getattr(self.wire, kind)(memory.policy(Vendor(), folder))

    def send(self, text="Hello", number=NUMBER):
        sent = self.client.send(number, text, reference="order-1")
        return asyncio.run(_awaited(sent)) if isinstance(self.client, AsyncSmsClient) else sent

    def learn(self, outbox=None):
        """Send the text from which the policy learns, for real or into ``outbox``."""
        cause = self.memory.learns_from
        if outbox is not None and cause is not None:
            outbox.script(NUMBER, cause, Status.DELIVERED)
        self.answer = ANSWERS[cause]
        if cause is None:
            self.send()
        else:
            with pytest.raises(cause):
                self.send()
        self.answer = HttpResponse(status=200)

    def remembers(self):
        """Whether the policy refuses because of its memory."""
        error: SendError | None = None
        try:
            self.send("Another text")
        except SendError as refusal:
            error = refusal
        assert error is None or isinstance(error, self.memory.refuses)
        return error is not None


def made_in_outbox(make):
    """Call ``make`` in an outbox; outside, it would read its files."""
    with Outbox():
        return make()


async def _awaited(sent):
    return await sent


_spied: list[Path] = []
_seen: list[str] = []


def _spy(event, arguments):
    if _spied and event in ("open", "sqlite3.connect", "os.rename", "os.remove", "os.chmod", "os.truncate"):
        path = str(arguments[0])
        if path.startswith(str(_spied[-1])):
            _seen.append(f"{event} {path}")


@pytest.fixture(scope="module", autouse=True)
def _spying():
    sys.addaudithook(_spy)


@pytest.fixture
def folder(tmp_path):
    """The configured folder; no file in it may be opened, made or written."""
    folder = tmp_path / "kept"
    folder.mkdir()
    _seen.clear()
    _spied.append(folder)
    yield folder
    _spied.clear()
    assert _seen == []
    assert list(folder.iterdir()) == []


@pytest.fixture
def used(tmp_path):
    """A folder with an earlier memory."""
    folder = tmp_path / "used"
    folder.mkdir()
    return folder


# --- an outbox ------------------------------------------------------------------------------------------------------------


@each_memory
@each_client
def test_in_one_outbox_it_is_remembered_and_in_the_next_it_is_not(memory, kind, folder):
    application = made_in_outbox(lambda: Application(memory, kind, folder))
    for _ in "12":
        with Outbox() as outbox:
            application.learn(outbox)
            assert application.remembers()
    assert application.wire.requests == []


@each_memory
@each_client
def test_nothing_is_remembered_after_the_outbox(memory, kind, used):
    with Outbox() as outbox:
        application = Application(memory, kind, used)
        application.learn(outbox)
    assert list(used.iterdir()) == []
    assert not application.remembers()
    assert len(application.wire.requests) == 1


@each_memory
@each_client
def test_what_was_remembered_before_is_not_seen_in_an_outbox_and_is_there_again_after_it(memory, kind, used):
    application = Application(memory, kind, used)
    application.learn()
    before = {path.name: path.read_bytes() for path in used.iterdir()}
    _seen.clear()
    _spied.append(used)
    with Outbox() as outbox:
        assert not application.remembers()
        assert outbox.last.text == "Another text"
    _spied.clear()
    assert _seen == []
    assert {path.name: path.read_bytes() for path in used.iterdir()} == before
    assert application.remembers()


@each_memory
@each_client
def test_an_outbox_within_an_outbox_has_a_memory_of_its_own(memory, kind, folder):
    application = made_in_outbox(lambda: Application(memory, kind, folder))
    with Outbox() as outer:
        application.learn(outer)
        with Outbox() as inner:
            assert not application.remembers()
            assert len(inner) == 1
        assert application.remembers()
        assert "Another text" not in [posted.text for posted in outer]


def test_threads_share_what_an_outbox_remembers():
    wire = FakeWire()
    client = wire.client(GuardPolicy(inner=Vendor(), total="20/1h"))
    with Outbox() as outbox:
        with client.send_many(Message(to=NUMBER, text=str(n)) for n in range(100)) as results:
            refused = [result for result in results if result.error is not None]
        assert (len(outbox), len(refused)) == (20, 80)


def test_the_same_policy_in_two_clients_is_the_same_in_an_outbox():
    guard = GuardPolicy(inner=Vendor(), total="1/1h")
    with Outbox(), SmsClient(guard) as first, SmsClient(FailoverPolicy(accounts=[guard])) as second:
        first.send(NUMBER, "Hello")
        with pytest.raises(VetoedError):
            second.send(NUMBER, "Hello")


def test_what_a_client_sends_through_can_be_looked_at_in_the_outbox(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('[[rate]]\nprice = 1\ncurrency = "INR"\n')
    from smsbridge.cost.policy import CostPolicy

    class Dear(Vendor):
        def accepted(self, message, **fields):
            return super().accepted(message, **fields | {"segments": 9})

    with SmsClient(CostPolicy(inner=Dear(), prices=prices)) as client:
        for _ in "12":
            with Outbox():
                client.send(NUMBER, "Hello")
                assert client.provider.differences == {"vendor": 1}
        assert client.provider.differences == {}


# --- from the environment -------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch, folder):
    """Settings for all policies with a memory; paths are in ``folder``."""
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    for memory in MEMORIES:
        for name, value in memory.settings.items():
            monkeypatch.setenv(f"SMSBRIDGE_{name}", str(folder / value) if name.endswith("PATH") else value)
    monkeypatch.setenv("SMSBRIDGE_LIMIT_SENDS", "1000/1s")
    return folder


@pytest.mark.usefixtures("configured")
def test_clients_of_the_environment_share_what_an_outbox_remembers():
    for _ in "12":
        with Outbox() as outbox, SmsClient() as other:
            sent = smsbridge.send(NUMBER, "Hello", reference="order-1")
            assert other.send(NUMBER, "Hello", reference="order-1").id == sent.id
            with pytest.raises(VetoedError):
                other.send(NUMBER, "Hello", reference="order-2")
            assert len(outbox) == 1


@pytest.mark.usefixtures("configured")
def test_a_client_that_was_made_in_an_outbox_opens_nothing_there():
    with Outbox():
        SmsClient().close()
        asyncio.run(AsyncSmsClient().aclose())


def test_a_reference_of_an_outbox_is_sent_when_it_is_meant(monkeypatch, used):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{used}/ledger.db")
    client = SmsClient()
    with Outbox() as outbox:
        client.send(NUMBER, "Hello", reference="order-1")
        assert outbox.last.id == "outbox-1"
    sent = client.send(NUMBER, "Hello", reference="order-1")
    assert sent.id == "memory-order-1"
    with Outbox():
        assert client.send(NUMBER, "Hello", reference="order-1").id == "outbox-1"
    assert client.send(NUMBER, "Hello", reference="order-1").id == "memory-order-1"
    client.close()


def test_what_was_made_in_an_outbox_is_checked_when_it_is_used_for_real(monkeypatch, used):
    """Problems of a file are unknown while files may not be opened."""
    (used / "optouts.db").write_bytes(b"no list of opt-outs" * 100)
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{used}/optouts.db")
    with Outbox() as outbox:
        client = SmsClient()
        client.send(NUMBER, "Hello")
        assert len(outbox) == 1
    with client, pytest.raises(VetoedError) as caught:
        client.send(NUMBER, "Hello")
    assert caught.value.reason == "opt-outs-unreadable"


@each_client
def test_a_stop_that_arrives_in_an_outbox_is_heeded_in_it_by_all_clients(kind, folder):
    def made():
        return getattr(FakeWire(), kind)(OptoutPolicy(inner=Vendor(), path=folder / "optouts.db"))

    async def finish(answer):
        return await answer if hasattr(answer, "__await__") else answer

    web, worker = made_in_outbox(made), made_in_outbox(made)
    with Outbox():
        asyncio.run(finish(web.receive(HttpRequest.post_json("https://app.example/hooks", {}))))
        with pytest.raises(OptedOutError):
            asyncio.run(finish(worker.send(NUMBER, "Hello")))
        asyncio.run(finish(worker.send(OTHER, "Hello")))
    with Outbox():
        asyncio.run(finish(worker.send(NUMBER, "Hello")))


@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        (("a.db", None), ("a.db", None), True),
        (("a.db", None), ("b.db", None), False),
        (("a.db", None), (None, None), False),
        ((None, "file"), (None, "file"), True),
        ((None, "file"), (None, None), False),
        (("a.db", "memory"), ("b.db", "memory"), True),
        (("a.db", "memory"), (None, "memory"), True),
        (("a.db", "memory"), ("a.db", None), False),
    ],
)
def test_two_policies_have_one_list_of_opt_outs_in_an_outbox_if_they_have_one_outside(first, other, same, folder, used):
    own = {"memory": MemoryOptOuts(), "file": SqliteOptOuts(used / "own.db")}

    def made(name, which):
        policy = OptoutPolicy(inner=Vendor(), path=name and folder / name)
        return FakeWire().client(policy.using(own[which]) if which else policy)

    web, worker = made_in_outbox(lambda: [made(*first), made(*other)])
    with Outbox():
        web.receive(HttpRequest.post_json("https://app.example/hooks", {}))
        assert type(web.try_send(NUMBER, "Hello").error) is OptedOutError
        assert (type(worker.try_send(NUMBER, "Hello").error) is OptedOutError) is same
    assert [*own["file"]] == [*own["memory"]] == []


# --- texts across the beginning or the end of an outbox -------------------------------------------------------------------


class Slow(Vendor):
    """Reports a request, and waits for permission to send."""

    _asked: threading.Event = PrivateAttr(default_factory=threading.Event)
    _told: threading.Event = PrivateAttr(default_factory=threading.Event)

    def send(self, message):
        yield from Call(self._pause)
        return (yield from super().send(message))

    def _pause(self):
        self._asked.set()
        assert self._told.wait(10)


def sending(client):
    """Begin to send in another thread. Returns a function that waits for the outcome."""
    outcome = []

    def work():
        outcome.extend(client.send_many([Message(to=NUMBER, text="Hello", reference="order-1")]))

    thread = threading.Thread(target=work)
    thread.start()

    def end() -> Result:
        thread.join(10)
        return outcome[0]

    return end


def test_a_text_that_was_begun_before_an_outbox_is_none_of_it_and_does_not_leave(used):
    slow, wire = Slow(), FakeWire(always=HttpResponse(status=200))
    client = wire.client(LedgerPolicy(inner=GuardPolicy(inner=slow, total="1/1h"), path=used / "ledger.db"))
    end = sending(client)
    assert slow._asked.wait(10)
    with Outbox() as outbox:
        slow._told.set()
        assert isinstance(end().error, UnavailableError)
        assert len(outbox) == 0
    assert wire.requests == []
    assert client.send(NUMBER, "Hello", reference="order-1").id == "real"  # the ledger knows that it did not leave
    client.close()


def test_a_second_attempt_at_it_is_none_of_the_outbox_either():
    slow, wire = Slow(), FakeWire(NotConnected())
    end = sending(wire.client(RetryPolicy(inner=slow, attempts=3, first_wait=0)))
    assert slow._asked.wait(10)
    with Outbox() as outbox:
        slow._told.set()
        error = end().error
        assert isinstance(error, UnavailableError)
        assert (len(error.attempts), len(outbox)) == (3, 0)


def test_a_text_that_was_begun_in_an_outbox_is_part_of_it_to_its_end(folder):
    slow, wire = Slow(), FakeWire()
    client = wire.client(LedgerPolicy(inner=GuardPolicy(inner=slow, total="1/1h"), path=folder / "ledger.db"))
    with Outbox() as outbox:
        end = sending(client)
        assert slow._asked.wait(10)
    slow._told.set()
    assert end().sent.id == "outbox-1"
    assert len(outbox) == 1
    assert wire.requests == []


def test_without_pytest_and_before_the_first_outbox_it_is_the_same():
    """A text that began before an outbox was opened is not part of the outbox."""
    code = """
        import threading
        from smsbridge import Call, HttpRequest, RefusedError, SmsClient, SmsProvider
        from smsbridge.testing import Outbox

        asked, told, outcome = threading.Event(), threading.Event(), []

        class Slow(SmsProvider):
            name = "slow"

            def send(self, message):
                yield from Call(lambda: (asked.set(), told.wait(10)))
                yield from HttpRequest.get("http://127.0.0.1:9/", sends=True)

        def work():
            try:
                SmsClient(Slow()).send("+919876543210", "Hello")
            except RefusedError as error:
                outcome.append("nothing leaves" in str(error))

        thread = threading.Thread(target=work)
        thread.start()
        asked.wait(10)
        with Outbox() as outbox:
            told.set()
            thread.join()
            print(outcome, len(outbox))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[True] 0\n"


def test_outboxes_may_end_in_any_order():
    first, second = Outbox(), Outbox()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    smsbridge.send(NUMBER, "Hello")
    second.__exit__(None, None, None)
    assert (len(first), len(second)) == (0, 1)


# --- third parties' policies ----------------------------------------------------------------------------------------------


class Once(Gate):
    """Admits a single text, and can forget it."""

    name = "once"
    _numbers: set[str] = PrivateAttr(default_factory=set)

    def forget(self, rehearsal):
        self._numbers = rehearsal.instead_of(self._numbers, set)

    def admit(self, message, *, verification=False):
        yield from ()
        if message.to in self._numbers:
            raise VetoedError(reason="twice")
        self._numbers.add(message.to)
        return message


def test_a_policy_of_another_package_says_itself_how_it_forgets():
    policy = Once(inner=MemoryProvider())
    with SmsClient(policy) as client:
        for _ in "12":
            with Outbox():
                client.send(NUMBER, "Hello")
                with pytest.raises(VetoedError):
                    client.send(NUMBER, "Hello")
        assert policy._numbers == set()
        client.send(NUMBER, "Hello")
        assert policy._numbers == {NUMBER}


def test_a_provider_that_holds_others_in_any_field_is_rehearsed_with_them():
    class Router(SmsProvider):
        name = "router"
        by_prefix: dict[str, SmsProvider]
        rest: SmsProvider

        def send(self, message):
            return self.by_prefix.get(message.to[:3], self.rest).send(message)

    def guarded(account):
        return GuardPolicy(inner=Vendor(account=account), total="1/1h")

    with SmsClient(Router(by_prefix={"+91": guarded("india")}, rest=guarded("rest"))) as client:
        for _ in "12":
            with Outbox() as outbox:
                for number in (NUMBER, "+14155552671"):
                    client.send(number, "Hello")
                    with pytest.raises(VetoedError):
                        client.send(number, "Hello")
                assert {posted.account for posted in outbox} == {"india", "rest"}


def test_a_policy_that_is_made_on_the_way_opens_nothing_either(folder):
    class Tenants(SmsProvider):
        """Send each text through a new ledger, unknown before."""

        name = "tenants"

        def send(self, message):
            ledger = LedgerPolicy(inner=Vendor(), path=folder / f"{message.sender}.db")
            return (yield from attempt(ledger, replace(message, sender=None)))

        def check(self, message, *, verification=False):
            pass

    with SmsClient(Tenants()) as client, Outbox() as outbox:
        for _ in "12":
            client.send(NUMBER, "Hello", sender="ACME", reference="order-1")
        assert len(outbox) == 1


def test_a_flow_that_is_driven_by_hand_in_an_outbox_opens_nothing_either(folder):
    policy = made_in_outbox(
        lambda: OptoutPolicy(inner=LedgerPolicy(inner=Vendor(), path=folder / "a"), path=folder / "b")
    )
    with Outbox() as outbox:
        drive(attempt(policy, Message(to=NUMBER, text="Hello", reference="order-1")))
        assert len(outbox) == 1


def test_a_provider_that_remembers_nothing_stays_the_one_that_it_is():
    provider = MemoryProvider()
    with Outbox(), SmsClient(provider) as client:
        assert client.provider is provider


# --- the command ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["explain", NUMBER, "Hello", "--reference", "order-1"],
        ["send", NUMBER, "Hello", "--reference", "order-1", "--dry-run"],
        ["send", "--many", "texts.jsonl", "--dry-run"],
        ["explain", NUMBER, "--json"],
    ],
    ids=" ".join,
)
def test_explaining_and_dry_runs_open_nothing(command, configured, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("texts.jsonl").write_text('{"to": "+919876543210", "text": "Hello", "reference": "order-1"}\n' * 2)
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "file")
    monkeypatch.setenv("SMSBRIDGE_FILE_PATH", str(configured / "sms.jsonl"))
    assert run(*command).exit_code == Exit.OK


def test_a_dry_run_leaves_files_that_are_there_as_they_are(monkeypatch, used):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    for name in ("LEDGER", "OPTOUT"):
        monkeypatch.setenv(f"SMSBRIDGE_{name}_STORE", f"sqlite:///{used / name}")
    assert run("send", NUMBER, "Hello", "--reference", "order-1").exit_code == Exit.OK
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in used.iterdir()}
    _seen.clear()
    _spied.append(used)
    assert run("send", NUMBER, "Hello", "--reference", "order-1", "--dry-run").exit_code == Exit.OK
    assert run("explain", NUMBER).exit_code == Exit.OK
    _spied.clear()
    assert _seen == []
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in used.iterdir()} == before


@pytest.mark.parametrize("is_there", [False, True])
def test_a_dry_run_neither_makes_nor_writes_the_store_of_everything(monkeypatch, used, is_there):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_STORE", f"sqlite:///{used}/sms.db")
    if is_there:
        assert run("send", NUMBER, "Hello", "--reference", "order-1").exit_code == Exit.OK
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in used.iterdir()}
    assert bool(before) == is_there
    assert run("send", NUMBER, "Hello", "--reference", "order-2", "--dry-run").exit_code == Exit.OK
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in used.iterdir()} == before


# --- the ledger in memory -------------------------------------------------------------------------------------------------

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "record"]),
        st.sampled_from(["order-1", "order-2", "order-3"]),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["accepted", "refused", "uncertain"]),
    ),
    max_size=15,
)


SETTLED_TWICE = [
    ("claim", "order-1", "one", ""),
    *(("record", "order-1", "one", end) for end in ("refused", "accepted")),
]


@given(steps)
@example(SETTLED_TWICE)
@example([*SETTLED_TWICE, ("record", "order-1", "one", "uncertain"), ("claim", "order-1", "two", "")])
def test_it_answers_as_the_one_in_a_file(steps):
    file, memory = SqliteBook(Path(":memory:"), create=True), MemoryBook()
    file._connection = lambda: file._open  # no file: the schema is all that is needed
    file._open = _in_memory(file)
    outcomes = {
        "accepted": Outcome.accepted(None),
        "refused": Outcome.refused("no"),
        "uncertain": Outcome.of(
            Result(index=0, message=Message(to=NUMBER, text="x"), error=smsbridge.UncertainError())
        ),
    }
    claims = {}
    for what, reference, text, outcome in steps:
        if what == "claim":
            message = Message(to=NUMBER, text=text, reference=reference)
            claim = Claim.of(message, account="a", kind=Kind.TEXT, key=b"k" * 16)
            answers = [_plain(store.claim([claim])[0]) for store in (file, memory)]
            claims.setdefault(reference, []).append(claim)
        elif reference in claims:
            claim = claims[reference][-1 if text == "one" else 0]
            answers = [store.record([Entry(claim=claim, outcome=outcomes[outcome])]) for store in (file, memory)]
        else:
            continue
        assert answers[0] == answers[1]
        assert _plain(file.find(reference)) == _plain(memory.find(reference))
    filters = ({}, {"reference": "order-2"}, {"states": [State.ACCEPTED]}, {"account": "b"})
    for wanted, page in [*((each, {}) for each in filters), ({}, {"after": 1, "limit": 1})]:
        found = [
            [(number, _plain(entry)) for number, entry in store.entries(EntryFilters(**wanted), **page)]
            for store in (file, memory)
        ]
        assert found[0] == found[1]
    file.close()


def _in_memory(store):
    import sqlite3

    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in LEDGER.schema:
        db.execute(statement)
    store._set_up(db)
    return db


def _plain(entry):
    """The values to compare: SQLite rounds times."""
    if entry is None:
        return None
    outcome = entry.outcome and (entry.outcome.state, entry.outcome.error, entry.outcome.reason)
    return entry.claim.reference, entry.claim.token, entry.claim.content, entry.claims, entry.state, outcome


def test_it_refuses_another_key_as_the_one_in_a_file_does():
    store = MemoryBook()
    key = store.identify(None)
    assert store.identify(None) == key
    with pytest.raises(smsbridge.ConfigurationError, match="another key"):
        store.identify(b"another key, of a length")


def test_it_drops_nothing():
    store = MemoryBook()
    store.claim([Claim.of(Message(to=NUMBER, text="x", reference="r"), account="a", kind=Kind.TEXT, key=b"k" * 16)])
    assert store.prune(-86400.0, 10) == 0
    assert isinstance(RefusedError(), SendError)
