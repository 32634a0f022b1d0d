"""A ledger or a list of opt-outs that was emptied, deleted or replaced is never silently made again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys

import pytest

from cli_acme import run
from scripted import OK, TO, HttpProvider, Wire, forget_writers, message
from smsbridge import Settings, SmsClient, own_file
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli.exits import Exit
from smsbridge.errors import ConfigurationError, RefusedError, VetoedError
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts import SqliteOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.provider import SmsProvider
from smsbridge.stores import sqlite, writer
from smsbridge.stores.sqlite import SqliteBook


@pytest.fixture(autouse=True)
def no_writer_is_left():
    yield
    forget_writers()
    own_file.forget_all()


def restart():
    """Forget the file's state, as in another process."""
    writer.close_all()
    writer._shared.clear()
    own_file.forget_all()


def idle():
    """Close the ledger in the same process."""
    writer.close_all()


class Mute(HttpProvider):
    lookup = SmsProvider.lookup


class Ledger:
    """An application with a ledger at ``path``."""

    what = "ledger"
    command = "smsbridge texts init"

    def __init__(self, path):
        self.path = path
        self.wire = Wire(OK)

    def use(self, reference="ref-1"):
        """The error that stops a text, or None."""
        policy = LedgerPolicy(inner=Mute(), path=self.path)
        sms = SmsClient(policy, settings=Settings(), plugins=Plugins(), transport=self.wire)
        try:
            sms.send(message(reference=reference))
        except RefusedError as error:
            return f"{error.reason}: {error.detail}"
        policy._entries().writer.do(lambda _: None).result(10)  # the outcome is recorded by then
        return None

    def remembers(self):
        """Whether the first text is recognised, and not sent again."""
        before = len(self.wire.requests)
        return self.use() is None and len(self.wire.requests) == before

    def other(self, path):
        """Another file of this kind."""
        with contextlib.closing(SqliteBook(path)) as store, store.together():
            store.identify(None)


class OptOuts:
    """An application with opt-outs."""

    what = "list of opt-outs"
    command = "smsbridge optouts init"

    def __init__(self, path):
        self.path = path
        self._list = None

    def use(self, reference="ref-1"):
        try:
            if self._list is None or not own_file._known:
                self._list = SqliteOptOuts(self.path)
            self._list.add(None, TO)
        except (ConfigurationError, OSError) as error:
            return str(error)
        return None

    def remembers(self):
        return self._list.holds(None, TO)

    def other(self, path):
        SqliteOptOuts(path)


@pytest.fixture(params=[Ledger, OptOuts])
def used(request, tmp_path):
    """An application that has used its file. The file is open or closed in this process."""
    kept = request.param(tmp_path / "of ours #1.db")
    assert kept.use() is None
    return kept


def beside(path):
    return [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm")]


def copied(path, there):
    """A copy of the file and of the files beside it."""
    for file in (path, *beside(path)):
        if file.exists():
            shutil.copy(file, there / file.name)
    return there / path.name


# --- while it is in use ---------------------------------------------------------------------------------------------------


def emptied(used, tmp_path):
    os.truncate(used.path, 0)
    return "emptied"


def deleted(used, tmp_path):
    used.path.unlink()
    return "deleted"


def deleted_with_all_beside(used, tmp_path):
    for path in (used.path, *beside(used.path)):
        path.unlink(missing_ok=True)
    return "deleted"


def moved_away(used, tmp_path):
    used.path.rename(tmp_path / "elsewhere.db")
    return "deleted"


def replaced_by_a_new_one(used, tmp_path):
    used.other(tmp_path / "other.db")
    (tmp_path / "other.db").rename(used.path)
    return "replaced"


def replaced_by_something_else(used, tmp_path):
    (tmp_path / "notes.txt").write_text("these are notes, " * 500)
    (tmp_path / "notes.txt").rename(used.path)
    return "(replaced|no .* of smsbridge)"


def replaced_by_a_file_of_another_application(used, tmp_path):
    another_application(tmp_path / "theirs.db")
    (tmp_path / "theirs.db").rename(used.path)
    return "(replaced|no .* of smsbridge)"


FOUL = [
    emptied,
    deleted,
    deleted_with_all_beside,
    moved_away,
    replaced_by_a_new_one,
    replaced_by_something_else,
    replaced_by_a_file_of_another_application,
]


@pytest.mark.parametrize("between", [lambda: None, idle], ids=["open", "closed"])
@pytest.mark.parametrize("spoil", FOUL, ids=lambda spoil: spoil.__name__)
def test_a_file_that_is_not_what_it_was_is_an_error_that_says_so_and_stays_one(used, spoil, between, tmp_path):
    between()
    words = spoil(used, tmp_path)
    problem = used.use("ref-2")
    says(problem, words, used.path)
    assert isinstance(used, OptOuts) or problem.startswith("ledger: ")
    for reference in ("ref-1", "ref-3"):
        assert used.use(reference) is not None  # even now, no new file is made
    idle()
    assert used.use("ref-4") is not None


def says(problem, words, path):
    assert re.search(words, problem), problem
    assert str(path) in problem


def test_it_says_what_to_do(used, tmp_path):
    used.path.unlink()
    problem = used.use("ref-2")
    for words in ("put back what was there", used.command, "restart"):
        assert words in problem


@pytest.mark.parametrize("between", [lambda: None, idle], ids=["open", "closed"])
def test_what_is_put_back_is_used_again(used, between, tmp_path):
    between()
    kept = tmp_path / "kept"
    kept.mkdir()
    used.path.rename(kept / used.path.name)
    assert used.use("ref-2") is not None
    (kept / used.path.name).rename(used.path)
    assert used.use("ref-2") is None
    assert used.remembers()


@pytest.mark.parametrize("way", ["renamed", "copied"])
def test_an_older_copy_is_no_more_than_another_file(used, way, tmp_path):
    idle()
    older = tmp_path / "backup"
    older.mkdir()
    copy = copied(used.path, older)
    assert used.use("after the backup") is None
    idle()
    if way == "renamed":
        copy.rename(used.path)
    else:
        shutil.copyfile(copy, used.path)
    for _ in range(2):
        assert "older copy" in used.use("after the backup")


def test_a_copy_that_was_made_while_it_was_open_is_an_older_one_too(tmp_path):
    used = Ledger(tmp_path / "ledger.db")
    used.use()
    (tmp_path / "backup").mkdir()
    copy = copied(used.path, tmp_path / "backup")
    used.use("after the backup")
    for path in beside(used.path):
        path.unlink()
    copy.rename(used.path)
    problems = [used.use("after the backup") for _ in range(3)]
    assert "replaced" in problems[0] or "lost" in problems[0]
    assert all(problems), problems


def test_a_copy_in_which_nothing_is_missing_is_as_good(used, tmp_path):
    idle()
    (tmp_path / "backup").mkdir()
    copy = copied(used.path, tmp_path / "backup")
    copy.rename(used.path)
    assert used.use() is None
    assert used.remembers()


def test_parts_of_a_ledger_that_are_deleted_while_it_is_open_are_noticed(tmp_path):
    used = Ledger(tmp_path / "ledger.db")
    used.use()
    for path in beside(used.path):
        path.unlink()
    assert "lost ledger.db-" in used.use("ref-2")
    assert used.use("ref-2") is None  # their content is in the file again
    assert used.remembers()


def test_a_link_that_leads_elsewhere_now_is_noticed(used, tmp_path):
    restart()
    link = tmp_path / "link.db"
    link.symlink_to(used.path)
    through = type(used)(link)
    assert through.use("through the link") is None
    used.other(tmp_path / "other.db")
    link.unlink()
    link.symlink_to(tmp_path / "other.db")
    assert "replaced" in through.use("ref-2")


# --- at start -------------------------------------------------------------------------------------------------------------


def another_application(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name)")
        db.commit()


def marked_by_another_application(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 252006673")
        db.execute("CREATE TABLE customers (name)")
        db.commit()


def no_database(path):
    path.write_text("these are notes, " * 500)


def empty(path):
    path.touch()


def cut_short(path):
    another_application(path)
    os.truncate(path, 100)


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize("kind", [Ledger, OptOuts])
@pytest.mark.parametrize(
    "make",
    [another_application, marked_by_another_application, no_database, empty, cut_short, a_folder],
    ids=lambda make: make.__name__,
)
def test_what_is_not_ours_is_an_error_and_left_alone(kind, make, tmp_path):
    path = tmp_path / "sms.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    problem = kind(path).use()
    assert str(path) in problem
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_file_says_so(used, tmp_path):
    restart()
    os.truncate(used.path, 0)
    assert "it is empty, which one of ours never is" in used.use()


@pytest.mark.parametrize(("first", "second"), [(Ledger, OptOuts), (OptOuts, Ledger)])
def test_one_kind_of_file_is_not_taken_for_the_other(first, second, tmp_path):
    path = tmp_path / "sms.db"
    assert first(path).use() is None
    idle()
    assert f"it is no {second.what}, but a {first.what}: name another file" in second(path).use()
    assert first(path).use("ref-2") is None


def test_a_new_one_is_made_with_a_notice_that_names_it_once(tmp_path, caplog):
    for kind in (Ledger, OptOuts):
        path = tmp_path / f"{kind.what}.db"
        used = kind(path)
        used.use()
        restart()
        used.use()
        (record,) = [record for record in caplog.records if record.name == "smsbridge.files"]
        assert (record.levelname, f"a new {kind.what} was made at {path}:" in record.getMessage()) == ("WARNING", True)
        caplog.clear()


def test_it_is_for_its_owner_alone_and_leaves_nothing_beside(used):
    idle()
    assert [path.name for path in used.path.parent.iterdir()] == [used.path.name]
    assert os.name == "nt" or stat.S_IMODE(used.path.stat().st_mode) == 0o600


def test_a_marked_file_says_whose_it_is(used):
    idle()
    with contextlib.closing(sqlite3.connect(used.path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"smsb"),)
        (row,) = db.execute("SELECT what, length(identity) FROM smsbridge_file")
    assert row == (used.what, 16)


def test_two_of_one_kind_are_told_apart(tmp_path):
    paths = [tmp_path / f"{n}.db" for n in range(2)]
    for path in paths:
        Ledger(path).use()
    writer.close_all()
    identities = set()
    for path in paths:
        with contextlib.closing(sqlite3.connect(path)) as db:
            identities |= set(db.execute("SELECT identity FROM smsbridge_file"))
    assert len(identities) == 2


@pytest.mark.parametrize("links", [True, False])
def test_processes_that_make_it_at_once_make_one(tmp_path, links):
    code = (
        "import os, sys, pathlib, smsbridge.own_file as own\n"
        "from smsbridge.stores.sqlite import SqliteBook\n"
        f"os.link = os.link if {links} else (lambda *_: (_ for _ in ()).throw(OSError('none here')))\n"
        "sys.stdin.read(1)\n"
        "store = SqliteBook(pathlib.Path(sys.argv[1]))\n"
        "with store.together(): key = store.identify(None)\n"
        "print(key.hex())\n"
    )
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-c", code, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(4 if links else 1)]
    for process in running:
        process.stdin.write("x")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * len(running), outputs
    assert len({out for out, _ in outputs}) == 1
    assert sum(err.count("a new ledger was made") for _, err in outputs) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.db"]


def test_what_cannot_be_made_whole_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "LEDGER", None)
    kind = own_file.Kind(what="thing", proof="", schema=("CREATE TABLE x (",), made="", command="")
    with pytest.raises(sqlite3.Error):
        own_file.OwnFile(tmp_path / "x.db", kind).connect()
    assert list(tmp_path.iterdir()) == []


# --- in production, and on purpose -----------------------------------------------------------------------------------------


def command(*words):
    return run(*words)


SETTINGS = {
    Ledger: ("SMSBRIDGE_LEDGER_STORE", "texts"),
    OptOuts: ("SMSBRIDGE_OPTOUT_STORE", "optouts"),
}


@pytest.fixture(params=[Ledger, OptOuts])
def production(request, tmp_path, monkeypatch):
    """The kind, its path, and a function that makes a client, with SMSBRIDGE_ENV=production."""
    path = tmp_path / "sms.db"
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    monkeypatch.setenv("SMSBRIDGE_ENV_ALLOWS", "memory")
    monkeypatch.setenv(SETTINGS[request.param][0], f"sqlite:///{path}")
    return request.param, path, lambda: SmsClient("memory", plugins=Plugins())


def test_in_production_none_is_made_on_the_way(production):
    kind, path, make = production
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == (
        f"there is no {kind.what} at {path}, and none is made on the way where SMSBRIDGE_ENV is production: {kind.command} makes one"
    )
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("policy", [LedgerPolicy, OptoutPolicy])
@pytest.mark.parametrize("env", ["production", "staging", None])
def test_so_it_is_with_a_policy_that_is_made_by_hand(policy, env, tmp_path, monkeypatch):
    if env is not None:
        monkeypatch.setenv("SMSBRIDGE_ENV", env)
    path = tmp_path / "sms.db"
    try:
        with SmsClient(policy(inner=MemoryProvider(), path=path), plugins=Plugins()) as sms:
            sms.send(TO, "hello")
        sent = True
    except (ConfigurationError, RefusedError):
        sent = False
    assert (sent, path.exists()) == (env != "production",) * 2


def test_in_production_one_that_was_made_on_purpose_is_used(production):
    kind, path, make = production
    done = command(*kind.command.split()[1:])
    assert (done.exit_code, done.stdout) == (0, f"made: {path}\n")
    with make() as sms:
        assert sms.send(TO, "hello").id
    restart()
    with make() as sms:
        assert sms.send(TO, "hello").id


def test_in_production_one_that_was_deleted_before_the_first_text_is_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    used = Ledger(tmp_path / "ledger.db")
    assert "it is not there; smsbridge texts init makes one" in used.use()
    assert list(tmp_path.iterdir()) == []


def test_in_production_the_command_makes_no_list_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{tmp_path}/optouts.db")
    for words in (["list"], ["add", TO]):
        done = command("optouts", *words)
        assert (done.exit_code, "smsbridge optouts init" in done.stderr) == (Exit.CONFIGURATION, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [Ledger, OptOuts])
def test_making_one_on_purpose_leaves_what_is_there_and_makes_one_of_an_empty_file(kind, tmp_path, monkeypatch):
    variable, group = SETTINGS[kind]
    path = tmp_path / "sms.db"
    monkeypatch.setenv(variable, f"sqlite:///{path}")
    path.touch()
    assert command(group, "init").stdout == f"made: {path}\n"
    used = kind(path)
    assert used.use() is None
    restart()
    before = path.read_bytes()
    assert command(group, "init").stdout == f"exists already: {path}\n"
    assert json.loads(command(group, "init", "--json").stdout) == {"path": str(path), "made": False}
    assert path.read_bytes() == before
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_one_command_makes_what_a_send_needs_in_the_store_of_all_uses(tmp_path, monkeypatch, caplog):
    path = tmp_path / "sms.db"
    monkeypatch.setenv("SMSBRIDGE_STORE", f"sqlite:///{path}")
    monkeypatch.setenv("SMSBRIDGE_GUARD_TOTAL", "1000/1h")
    assert command("texts", "init").stdout == f"made: {path}\n"
    assert command("texts", "init").stdout == f"exists already: {path}\n"
    assert command("send", TO, "Your order has shipped", "--reference", "order-17").exit_code == Exit.OK
    assert command("optouts", "init").stdout == f"made: {path}\n"
    assert [record.message for record in caplog.records if "was made" in record.message] == []


def test_the_store_of_the_ledger_alone_gets_no_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{tmp_path}/ledger.db")
    assert command("texts", "init").exit_code == Exit.OK
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        kinds = [what for (what,) in database.execute("SELECT what FROM smsbridge_file")]
    assert kinds == ["ledger"]


@pytest.mark.parametrize("kind", [Ledger, OptOuts])
def test_none_is_made_of_what_is_not_ours(kind, tmp_path, monkeypatch):
    variable, group = SETTINGS[kind]
    path = tmp_path / "sms.db"
    monkeypatch.setenv(variable, f"sqlite:///{path}")
    another_application(path)
    before = path.read_bytes()
    done = command(group, "init")
    assert (done.exit_code, f"it is no {kind.what} of smsbridge" in done.stderr) == (Exit.CONFIGURATION, True)
    assert path.read_bytes() == before
    monkeypatch.setenv(variable, f"sqlite:///{tmp_path}/none/sms.db")
    assert "cannot be made: No such file or directory" in command(group, "init").stderr


# --- a file without a mark ------------------------------------------------------------------------------------------------


def unmarked(used):
    """The file as the first version made it."""
    restart()
    with contextlib.closing(sqlite3.connect(used.path)) as db:
        db.execute("PRAGMA application_id = 0")
        db.execute("DROP TABLE smsbridge_file")
        db.commit()


def test_one_without_a_mark_is_ours_by_what_it_holds_and_is_marked(used):
    unmarked(used)
    assert used.use() is None
    assert used.remembers()
    test_a_marked_file_says_whose_it_is(used)


def test_one_without_a_mark_is_not_taken_for_the_other_kind(used, tmp_path):
    unmarked(used)
    other = OptOuts if isinstance(used, Ledger) else Ledger
    assert f"it is no {other.what} of smsbridge" in other(used.path).use()


# --- opt-outs refuse -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", FOUL, ids=lambda spoil: spoil.__name__)
def test_where_the_list_of_opt_outs_is_not_what_it_was_no_text_leaves_and_the_error_says_why(tmp_path, spoil):
    used = OptOuts(tmp_path / "optouts.db")
    policy = OptoutPolicy(inner=HttpProvider(), path=used.path)
    wire = Wire(OK)
    sms = SmsClient(policy, settings=Settings(), plugins=Plugins(), transport=wire)
    assert sms.send(message()).id == "vendor-1"
    words = spoil(used, tmp_path)
    for _ in range(2):
        with pytest.raises(VetoedError) as caught:
            sms.send(message())
        assert caught.value.reason == "opt-outs-unreadable"
        says(str(caught.value), words, used.path)
    assert len(wire.requests) == 1
