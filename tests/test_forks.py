"""In a process that is forked while threads work, every lock of ours is free, and no place is taken for ever."""

from __future__ import annotations

import ast
import functools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from scripted import OK, TO, HttpProvider, Wire, message
from smsbridge import Settings, SmsClient, forks
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.errors import RefusedError, VetoedError
from smsbridge.guard.policy import GuardPolicy
from smsbridge.http import HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts import MemoryOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies import breaker as breaker_room
from smsbridge.policies.breaker import Breaker
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.private_file import make_private
from smsbridge.stores.caps import Caps
from smsbridge.stores.gcra import Gcra, Rate
from smsbridge.testing import Outbox
from smsbridge_twincle.sandbox.faults import Faults
from smsbridge_vonage.parts import Parts

ROOT = Path(__file__).parent.parent
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


# --- sources of locks -----------------------------------------------------------------------------------------------------

BARE = {
    "threading": {"Lock", "RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "Timer"},
    "_thread": {"allocate_lock", "allocate", "RLock"},
    "queue": {"Queue", "LifoQueue", "PriorityQueue"},
    "functools": {"cached_property"},
    "concurrent.futures": {"Future", "ThreadPoolExecutor"},
}
ALLOWED = {
    ("src/smsbridge/forks.py", "Lock"): "here they are made",
    ("src/smsbridge/forks.py", "RLock"): "here they are made",
    ("src/smsbridge/forks.py", "cached_property"): "here they are made",
    ("src/smsbridge/builtin/memory.py", "Lock"): "the type alone",
    ("src/smsbridge/stores/writer.py", "Lock"): "it looks after forks itself",
    ("src/smsbridge/promise.py", "Lock"): "of one thread that waits",
    ("src/smsbridge/promise.py", "Future"): "the type alone",
    ("src/smsbridge/flow.py", "Future"): "the type alone",
    ("src/smsbridge/testing/applications.py", "ThreadPoolExecutor"): "of one call of a test, which ends it",
    ("src/smsbridge/wire/dialing.py", "allocate_lock"): "of one look-up, whose threads a forked process does not have",
    ("src/smsbridge/many.py", "Lock"): "of one iteration, whose threads a forked process does not have",
    ("plugins/twincle/src/smsbridge_twincle/sandbox/server.py", "Event"): "of one start of the sandbox",
    ("src/smsbridge/testing/stores/counters.py", "ThreadPoolExecutor"): "of one test, which ends it",
    (
        "plugins/twincle/src/smsbridge_twincle/sandbox/faults.py",
        "Lock",
    ): "of a sandbox, which shares no code with us, and no forked process serves",
}


def bare_locks(tree):
    """The names of locks that a module imports from the standard library."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {(name.asname or name.name): name.name for name in node.names if name.name in BARE}
        elif isinstance(node, ast.ImportFrom) and node.module in BARE:
            yield from (name.name for name in node.names if name.name in BARE[node.module])
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            home = modules.get(ast.unparse(node.value))
            if home is not None and node.attr in BARE[home]:
                yield node.attr


def test_every_lock_of_ours_is_one_that_a_forked_process_finds_free():
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for folder in (ROOT / "src", ROOT / "plugins")
        for path in folder.rglob("*.py")
        if not {"build", ".venv"} & set(path.parts)
        for name in bare_locks(ast.parse(path.read_text("utf-8")))
    }
    assert found == set(ALLOWED), "take it from smsbridge.forks"


@pytest.mark.parametrize(
    "code",
    [
        "import threading\nclass A:\n def __init__(self): self.lock = threading.Lock()",
        "import threading as t\nx = t.RLock()",
        "from threading import Condition",
        "import concurrent.futures\nf = concurrent.futures.Future()",
        "from functools import cached_property as c",
    ],
)
def test_a_bare_lock_would_be_found(code):
    assert list(bare_locks(ast.parse(code)))


# --- forking while another thread holds them all -----------------------------------------------------------------------------


def in_a_child(work):
    """The exit code of a forked process that does ``work``: 0 if it returned, negative if it had to be killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class held:  # noqa: N801
    """Another thread holds every lock of ours, as in a busy process at its worst moment."""

    def __enter__(self):
        self._taken, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._taken.wait(10)

    def _hold(self):
        locks = [lock for lock in forks._locks if lock.acquire(timeout=1)]
        self._taken.set()
        self._over.wait(60)
        for lock in locks:
            lock.release()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)


def client(provider, *answers):
    return SmsClient(provider, settings=Settings(), plugins=Plugins(), transport=Wire(*answers or (OK,)))


def sends(provider):
    sms = client(provider)
    return lambda: sms.send(message())


def caps(tmp_path):
    caps = Caps({"total": Rate(100, 60)}, 1000)
    return lambda: (
        caps.take(TO, lambda: 0.0),
        caps.full(TO, lambda: 0.0),
        caps.end(TO, lambda: 0.0, sent=True),
        caps.texts,
    )


def breaker(tmp_path):
    breaker = Breaker(1, 10)
    breaker.failed(0)
    return lambda: (
        breaker.peek(20),
        breaker.admit(20),
        breaker.dropped(20),
        breaker.failed(20),
        breaker.hold(5),
        breaker.worked(),
    )


def gcra(tmp_path):
    rate_limit = Gcra(Rate(10, 1))
    return lambda: (rate_limit.reserve(1, 0.0, 1.0), rate_limit.hold(0.0))


def guard(tmp_path):
    policy = GuardPolicy(inner=HttpProvider(), total="100/1h", per_recipient="100/1h").shared()
    return lambda: (sends(policy)(), GuardPolicy(inner=HttpProvider(), total="100/1h").shared())


def limit(tmp_path):
    policy = LimitPolicy(inner=HttpProvider(), sends="1000/s")
    return lambda: (sends(policy)(), policy.shared())


def failover(tmp_path):
    policy = FailoverPolicy(accounts=(HttpProvider(account="one"), HttpProvider(account="two")), faults=1)
    policy._breakers["one"].failed(0)
    return sends(policy)


def ledger(tmp_path):
    return sends(LedgerPolicy(inner=HttpProvider(), path=tmp_path / "ledger.db"))


def optouts(tmp_path):
    policy = OptoutPolicy(inner=HttpProvider()).using(MemoryOptOuts())
    return lambda: (
        policy._kept.known.add(None, TO),
        policy._kept.known.remove(None, TO),
        list(policy._kept.known),
        sends(policy)(),
    )


def optouts_in_a_file(tmp_path):
    return sends(OptoutPolicy(inner=HttpProvider(), path=tmp_path / "optouts.db"))


def memory(tmp_path):
    memory = MemoryProvider()
    return lambda: (sends(memory)(), memory.sent, memory.clear())


def console(tmp_path):
    sms = SmsClient("console", settings=Settings(), plugins=Plugins())
    return lambda: sms.send(message())


def file(tmp_path):
    sms = SmsClient("file", settings=Settings(), plugins=Plugins())
    return lambda: sms.send(message())


def connections(tmp_path):
    sms = SmsClient(HttpProvider(), settings=Settings(), plugins=Plugins())

    def work():
        with pytest.raises(RefusedError):  # the tests forbid sockets, and the host name does not exist
            sms.send(message())
        sms.close()

    return work


def answers(tmp_path):
    from smsbridge.builtin._http_answer import Answer

    return lambda: (Answer(HttpResponse.of_json({"a": 1})).data, Answer(HttpResponse(status=200)).text)


def registry(tmp_path):
    return lambda: Plugins().names()


def outbox(tmp_path):
    box = Outbox()
    return lambda: (box.messages, box.clear())


def parts(tmp_path):
    parts = Parts()
    return lambda: (parts.overdue(), parts.forget([]))


def faults(tmp_path):
    faults = Faults()
    return faults.clear


def private_files(tmp_path):
    return lambda: make_private(tmp_path / "made.db")


HOLDERS = [
    caps,
    breaker,
    gcra,
    guard,
    limit,
    failover,
    ledger,
    optouts,
    optouts_in_a_file,
    memory,
    console,
    file,
    connections,
    answers,
    registry,
    outbox,
    parts,
    faults,
    private_files,
]


@forking
@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
def test_a_forked_process_works_although_another_thread_of_its_parent_held_every_lock(holder, tmp_path):
    work = holder(tmp_path)
    with held():
        assert in_a_child(work) == 0


@forking
def test_a_lock_that_was_made_without_us_would_be_noticed():
    bare = threading.Lock()
    with bare:
        code = in_a_child(lambda: bare.acquire(timeout=0.1) or 1 / 0)
    assert code == 1


@forking
def test_the_parent_goes_on_with_its_own_locks():
    lock = forks.fresh_lock()
    with lock:
        assert in_a_child(lambda: lock.acquire(blocking=False) or 1 / 0) == 0
        assert lock.locked()


def guarded(folder):
    return GuardPolicy(inner=MemoryProvider(), total="900000000/1h", per_recipient="900000000/1h")


def asking_a_file(folder):
    return OptoutPolicy(inner=MemoryProvider(), path=folder / "optouts.db")


@forking
@pytest.mark.parametrize("policy", [guarded, asking_a_file])
def test_children_that_are_forked_while_threads_send_do_not_hang(policy, tmp_path):
    sms, over = client(policy(tmp_path)), threading.Event()

    def send():
        while not over.is_set():
            sms.send(message())

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        codes = [in_a_child(lambda: sms.send(message())) for _ in range(15)]
    finally:
        over.set()
        for worker in threads:
            worker.join(10)
    assert codes == [0] * 15


@forking
def test_a_fork_waits_for_work_that_it_must_not_interrupt_and_such_work_for_the_fork():
    begun, done, forked = threading.Event(), threading.Event(), []

    def work():
        with forks.unforked():
            begun.set()
            forked.append(done.wait(0.3))
            forked.append("over")

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    assert in_a_child(lambda: forked == [False, "over"] or 1 / 0) == 0
    done.set()
    thread.join(10)
    with forks.unforked():  # except for the import that this thread itself begins
        assert in_a_child(lambda: forks.unforked().__enter__()) == 0


def test_a_fork_that_was_interrupted_shuts_nothing_out_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "_LONGEST_USE", 0.05)
    monkeypatch.setattr(forks, "_forking_until", 0.0)
    forks._before_fork()  # and nothing after it
    began = time.monotonic()
    with forks.unforked():
        assert 0.01 < time.monotonic() - began < 5
    assert forks._unforked == set()


SLOW = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import smsbridge.forks
thread = threading.Thread(target=__import__, args=("smsbridge_slow",))
thread.start()
while "smsbridge_slow" not in sys.modules:
    time.sleep(0.001)
pid = os.fork()
if not pid:
    signal.alarm(5)
    import smsbridge_slow
    os._exit(0 if smsbridge_slow.ready else 1)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
thread.join()
sys.exit(code != 0)
"""


@forking
def test_a_child_is_forked_when_no_other_thread_is_at_an_import_of_ours(tmp_path):
    (tmp_path / "smsbridge_slow.py").write_text("import time\ntime.sleep(0.3)\nready = True\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", SLOW], env=environment, timeout=30, check=False).returncode == 0


# --- other state that begins again -------------------------------------------------------------------------------------------


@forking
def test_texts_that_threads_of_the_parent_are_sending_hold_their_places_in_a_child_for_the_time_of_the_cap_alone():
    now = [0.0]
    caps = Caps({"total": Rate(2, 60)}, 1000)

    def clock():
        return now[0]

    assert caps.take(TO, clock, "the parent's") is None

    def work():
        assert caps.take(TO, clock, "ours") is None
        assert caps.take(TO, clock, "another").kind == "total"
        caps.end(TO, clock, sent=False, ticket="ours")
        assert caps.take(TO, clock, "another") is None
        assert caps.take(TO, clock, "third").wait == 60
        caps.end(TO, clock, sent=False, ticket="another")
        now[0] = 61.0
        assert (caps.take(TO, clock, "a"), caps.take(TO, clock, "b")) == (None, None)

    assert in_a_child(work) == 0
    caps.end(TO, clock, sent=False, ticket="the parent's")
    assert caps.texts == 0


@forking
def test_a_probe_of_the_parent_keeps_no_child_out():
    breaker = Breaker(1, 10)
    breaker.failed(0)
    assert breaker.admit(20) is None  # the probe
    assert breaker.admit(20) == 10
    assert in_a_child(lambda: breaker.admit(20) and 1 / 0) == 0
    assert breaker.admit(20) == 10


def test_a_probe_of_which_nothing_is_ever_told_is_given_up():
    breaker = Breaker(1, 10)
    breaker.failed(0)
    assert breaker.admit(20) is None
    assert breaker.admit(20 + breaker_room._LONGEST_PROBE - 1) == 10
    assert breaker.admit(20 + breaker_room._LONGEST_PROBE) is None


def test_what_begins_anew_is_not_kept_alive_for_it():
    before = len(forks._renewed)
    kept = [Breaker(1, 10) for _ in range(10)]
    assert len(forks._renewed) == before + 10
    kept.clear()
    assert len(forks._renewed) == before


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it has no lock any more")
def test_a_cached_property_is_that_of_functools_with_a_lock_that_is_known_here():
    class Owner:
        @forks.cached_property
        def value(self):
            return object()

    assert isinstance(vars(Owner)["value"], functools.cached_property)
    assert vars(Owner)["value"].lock in forks._locks
    owner = Owner()
    assert owner.value is owner.value


def test_a_veto_takes_no_place():
    policy = GuardPolicy(inner=MemoryProvider(), countries=["US"], total="1/1h")
    with pytest.raises(VetoedError):
        client(policy).send(message())
    assert policy._rules.caps.texts == 0
