"""smsbridge send --dry-run: a preview that sends nothing."""

from __future__ import annotations

import json

import pytest

from cli_acme import MASKED, NUMBER, SENT, install, pipe, run, run_json
from smsbridge.cli.exits import Exit

CURLY = "Dear Asha, it\u2019s here"


@pytest.fixture(autouse=True)
def acme(monkeypatch):
    yield install(monkeypatch)
    assert SENT == []


def many(tmp_path, *messages):
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(f"{json.dumps(message)}\n" for message in messages), "utf-8")
    return str(path)


def test_one_text_shows_who_would_take_it_what_every_policy_does_and_what_the_text_costs():
    done = run("send", NUMBER, CURLY, "--dry-run")
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith("would be sent through acme\n")
    assert "retry" in done.stdout
    assert "segment 1 of 1: 20 of 70 units" in done.stdout
    assert "dry run: nothing was sent" in done.stderr
    assert NUMBER not in done.output


def test_one_text_as_json():
    document, code = run_json("send", NUMBER, CURLY, "--dry-run")
    assert code == Exit.OK
    assert (document["dry_run"], document["sends"], document["account"]) == (True, True, "acme")
    assert (document["text"]["encoding"], document["text"]["segments"]) == ("ucs2", 1)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["98765", "x"], Exit.REFUSED),
        ([NUMBER, ""], Exit.REFUSED),
        ([NUMBER, "x", "--option", "no=1"], Exit.UNSUPPORTED),
    ],
)
def test_what_would_not_be_sent_has_the_exit_code_of_send(args, code):
    assert run("send", *args, "--dry-run").exit_code == code


def test_many_are_shown_one_by_one_and_summed_up(tmp_path):
    path = many(tmp_path, {"to": NUMBER, "text": "a" * 161}, {"to": "123", "text": "x"}, {"to": NUMBER, "text": CURLY})
    done = run("send", "--many", path, "--dry-run")
    assert done.exit_code == Exit.REFUSED
    lines = done.stdout.splitlines()
    assert lines[0] == f"1: {MASKED}  through acme, 2 segments"
    assert "would be refused" in lines[1]
    assert lines[2] == f"3: {MASKED}  through acme, 1 segment"
    assert lines[3] == "2 would be sent, 1 would not; 3 segments"


def test_many_as_json_lines(tmp_path):
    path = many(tmp_path, {"to": NUMBER, "text": "x"}, {"to": "123", "text": "x"})
    done = run("send", "--many", path, "--dry-run", "--json")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["sends"] for document in documents[:2]] == [True, False]
    assert documents[2] == {"dry_run": True, "would_send": 1, "would_not": 1, "segments": 1}


def test_a_wrong_line_is_a_mistake_of_the_user(tmp_path):
    done = run("send", "--many", many(tmp_path, {"to": NUMBER}), "--dry-run")
    assert done.exit_code == Exit.USAGE
    assert "line 1" in done.stderr


def test_many_may_come_through_a_pipe_or_standard_input_and_a_file_has_to_be_there():
    line = json.dumps({"to": NUMBER, "text": "x"})
    with pipe(line) as path:
        done = run("send", "--many", path, "--dry-run")
    assert (done.exit_code, "1 would be sent" in done.stdout) == (Exit.OK, True)
    assert "1 would be sent" in run("send", "--many", "-", "--dry-run", stdin=line).stdout
    done = run("send", "--many", "nowhere.jsonl", "--dry-run")
    assert (done.exit_code, "nowhere.jsonl cannot be read: No such file" in done.stderr) == (Exit.USAGE, True)


def test_the_users_own_rates_say_what_it_costs(monkeypatch, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('[[rate]]\ncountry = "IN"\nprice = 0.25\ncurrency = "INR"\n', "utf-8")
    monkeypatch.setenv("SMSBRIDGE_COST_PRICES", str(prices))
    document, _ = run_json("send", NUMBER, "a" * 161, "--dry-run")
    assert document["cost"] == {"amount": "0.50", "unit": "INR"}
    assert "0.25 INR" in run("send", NUMBER, "x", "--dry-run").stdout
    document, _ = run_json("segments", "x", "--to", NUMBER)
    assert document["cost"] == {"amount": "0.25", "unit": "INR"}
    assert "0.25 INR" in run("segments", "x", "--to", NUMBER).stdout
