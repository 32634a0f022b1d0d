"""Only the owner of a SQLite file, and the group that shares it, can read or change it."""

from __future__ import annotations

import os
import stat

import pytest

from scripted import forget_writers, message
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import SmsClient
from smsbridge.errors import RefusedError
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts import SqliteOptOuts
from smsbridge.plugins import Plugins
from smsbridge.private_file import make_private
from smsbridge.stores import writer

NUMBER = "+919876543210"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _fresh():
    yield
    forget_writers()


@pytest.mark.parametrize(
    ("before", "after"), [(None, 0o600), (0o644, 0o640), (0o666, 0o660), (0o660, 0o660), (0o607, 0o600), (0o600, 0o600)]
)
def test_others_lose_their_rights_and_the_group_keeps_its(tmp_path, before, after):
    path = tmp_path / "sms.db"
    beside = [path.with_name(f"{path.name}-{end}") for end in ("wal", "shm")]
    if before is not None:
        for file in (path, *beside):
            file.touch()
            file.chmod(before)
    make_private(path)
    assert mode(path) == after
    assert before is None or [mode(path) for path in beside] == [after, after]


def use_ledger(path):
    with SmsClient(LedgerPolicy(inner=MemoryProvider(), path=path), plugins=Plugins()) as sms:
        sms.send(message())


def use_optouts(path):
    SqliteOptOuts(path).add(None, NUMBER)


@pytest.mark.parametrize("use", [use_ledger, use_optouts])
def test_so_it_is_with_a_ledger_and_a_list_of_opt_outs(tmp_path, use):
    path = tmp_path / "sms.db"
    use(path)
    path.chmod(0o644)
    writer.close_all()
    writer._shared.clear()
    use(path)
    assert mode(path) == 0o640


def test_a_file_that_is_open_to_all_and_not_ours_is_not_used(monkeypatch, tmp_path):
    path = tmp_path / "sms.db"
    path.touch()
    path.chmod(0o666)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(OSError, match="we may not change its rights"):
        make_private(path)
    with pytest.raises(RefusedError, match="we may not change its rights"):
        use_ledger(path)


def test_a_file_that_a_group_shares_is_used_with_any_owner(monkeypatch, tmp_path):
    path = tmp_path / "sms.db"
    path.touch()
    path.chmod(0o660)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    make_private(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    path = tmp_path / "sms.db"
    make(path)
    with pytest.raises(OSError, match="no ordinary file"):
        make_private(path)
    with pytest.raises(RefusedError, match="no ordinary file"):
        use_ledger(path)
