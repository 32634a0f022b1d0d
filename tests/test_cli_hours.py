"""smsbridge hours, and smsbridge optouts."""

from __future__ import annotations

import stat

import pytest

from cli_acme import MASKED, NUMBER, install, run, run_json
from smsbridge.cli.exits import Exit
from smsbridge.optouts import SqliteOptOuts

OTHER = "+919876543211"


@pytest.fixture(autouse=True)
def acme(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def path(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{tmp_path}/optouts.db")
    return tmp_path / "optouts.db"


def known(path):
    return [(opt_out.recipient, opt_out.sender, opt_out.source) for opt_out in SqliteOptOuts(path)]


# --- hours ----------------------------------------------------------------------------------------------------------------


def test_inside_the_hours_the_answer_is_yes():
    done = run("hours", NUMBER, "--at", "2030-01-31T12:00+05:30")
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith(f"yes: promotional texts to {MASKED} may arrive\n")
    assert "IN" in done.stdout
    assert NUMBER not in done.output


def test_outside_of_them_it_is_no_and_says_when():
    done = run("hours", NUMBER, "--at", "2030-01-31T21:00+05:30", "--show-number")
    assert done.exit_code == Exit.REFUSED
    assert done.stdout.startswith(f"no: promotional texts to {NUMBER} may not arrive before 2030-02-01 10:00 +0530\n")


def test_where_no_rule_is_about_it_the_answer_says_so():
    done = run("hours", NUMBER, "--purpose", "otp")
    assert done.exit_code == Exit.OK
    assert done.stdout == f"yes: otp texts to {MASKED} may arrive: no rule is for them\n"


def test_the_answer_as_json():
    document, code = run_json("hours", NUMBER, "--at", "2030-01-31T03:00Z")
    assert code == Exit.REFUSED
    source = document["rules"][0].pop("source")
    assert source.startswith("https://")
    assert document == {
        "to": MASKED,
        "purpose": "promotional",
        "at": "2030-01-31T03:00:00+00:00",
        "permitted": False,
        "next": "2030-01-31T04:30:00+00:00",
        "rules": [
            {
                "country": "IN",
                "purposes": ["promotional"],
                "hours": ["10:00-21:00"],
                "zones": ["Asia/Kolkata"],
                "since": None,
                "until": None,
            }
        ],
    }


def test_without_a_number_all_rules_are_listed():
    shown = run("hours").stdout
    assert "IN       promotional  10:00-21:00  always    Asia/Kolkata" in shown
    assert "US       promotional  08:00-21:00  always    America/New_York and 6 more" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert [rule["country"] for rule in run_json("hours")[0]["rules"]] == ["IN", "US"]


def test_ones_own_rules_count_and_those_of_an_account_first(monkeypatch, tmp_path):
    rule = '[[rule]]\ncountry = "IN"\npurposes = ["otp"]\nzones = ["Asia/Kolkata"]\nhours = []\nsince = 2030-01-01\n'
    (tmp_path / "mine.toml").write_text(rule)
    monkeypatch.setenv("SMSBRIDGE_HOURS_RULES", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SMSBRIDGE_ACME_HOURS_RULES", str(tmp_path / "mine.toml"))
    done = run("hours", NUMBER, "--purpose", "otp", "--at", "2030-01-31T12:00Z")
    assert done.exit_code == Exit.REFUSED
    assert done.stdout.startswith(f"no: otp texts to {MASKED} may not arrive within a year\n")
    assert "2030-01-01 to" in done.stdout
    assert run("hours", "--account", "other").exit_code == Exit.CONFIGURATION


def test_the_list_says_which_rules_hold_only_while_no_other_is_in_force(monkeypatch, tmp_path):
    rule = '[[rule]]\ncountry = "IN"\npurposes = ["promotional"]\nzones = ["Asia/Kolkata"]\nhours = []\nsince = 2030-01-01\n'
    (tmp_path / "mine.toml").write_text(rule)
    monkeypatch.setenv("SMSBRIDGE_HOURS_RULES", str(tmp_path / "mine.toml"))
    shown = run("hours").stdout
    assert [line.split()[:5] for line in shown.splitlines()[1:]] == [
        ["IN", "promotional", "never", "2030-01-01", "to"],
        ["IN", "promotional", "10:00-21:00", "otherwise", "Asia/Kolkata"],
        ["US", "promotional", "08:00-21:00", "always", "America/New_York"],
    ]
    assert [rule["otherwise"] for rule in run_json("hours")[0]["rules"]] == [False, True, True]
    assert run("hours", NUMBER, "--at", "2029-12-31T06:00+05:30").exit_code == Exit.REFUSED


def test_shortly_before_the_end_no_text_sets_out(monkeypatch):
    """The answer of the policy with the same settings."""
    assert run("hours", NUMBER, "--at", "2030-01-31T20:58:59+05:30").exit_code == Exit.OK
    late = (NUMBER, "--at", "2030-01-31T20:59:30+05:30")
    done = run("hours", *late)
    assert (done.exit_code, "not arrive before 2030-02-01 10:00 +0530" in done.stdout) == (Exit.REFUSED, True)
    monkeypatch.setenv("SMSBRIDGE_ACME_HOURS_MARGIN", "10")
    assert run("hours", *late).exit_code == Exit.OK
    monkeypatch.setenv("SMSBRIDGE_ACME_HOURS_MARGIN", "soon")
    done = run("hours", *late)
    assert (done.exit_code, "SMSBRIDGE_ACME_HOURS_MARGIN is wrong" in done.stderr) == (Exit.CONFIGURATION, True)


@pytest.mark.parametrize(
    "args",
    [
        ["hours", "abc"],
        ["hours", "12345"],
        ["hours", NUMBER, "--at", "2030-01-31T12:00"],
        ["hours", NUMBER, "--at", "0001-01-01T00:00+05:30"],
        ["hours", NUMBER, "--at", "9999-12-31T23:59+05:30"],
        ["segments", "Hi", "--to", "abc"],
        ["optouts", "add", "abc"],
        ["optouts", "remove", "abc"],
    ],
)
def test_what_cannot_be_meant_is_a_mistake_and_no_refusal(path, args):
    assert run(*args).exit_code == Exit.USAGE


# --- opt-outs -------------------------------------------------------------------------------------------------------------


def test_the_list_is_empty_at_first_and_its_file_for_its_owner(path):
    assert run("optouts", "list").stdout == "the list has no opt-outs\n"
    assert run_json("optouts", "list") == ({"optouts": []}, Exit.OK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_number_is_added_listed_and_removed(path):
    done = run("optouts", "add", NUMBER, "--from", "ACMEIN")
    assert (done.exit_code, done.stdout) == (Exit.OK, f"done: {MASKED} gets no more texts from ACMEIN\n")
    assert known(path) == [(NUMBER, "ACMEIN", "operator")]
    shown = run("optouts", "list").stdout
    assert shown.split()[:4] == ["recipient", "sender", "since", "source"]
    assert MASKED in shown
    assert NUMBER not in shown
    assert run_json("optouts", "list", "--show-number")[0]["optouts"][0]["recipient"] == NUMBER
    done = run("optouts", "remove", NUMBER)
    assert done.stdout == f"done: {MASKED} may get texts again from any sender\n"
    assert known(path) == []


def test_changes_as_json(path):
    document, _ = run_json("optouts", "add", NUMBER)
    assert document == {"recipient": MASKED, "sender": None, "opted_out": True, "was_opted_out": False}
    assert run_json("optouts", "remove", NUMBER, "--from", "A")[0]["opted_out"] is False
    assert known(path) == [(NUMBER, None, "operator")]
    assert "(all)" in run("optouts", "list").stdout


def test_a_file_is_imported(path, tmp_path):
    file = tmp_path / "numbers.csv"
    file.write_text(f"\ufeff# from the old vendor\n\n{NUMBER}\n{OTHER}, ACMEIN \n", "utf-8")
    assert run("optouts", "import", str(file)).stdout == "imported: 2 lines\n"
    assert known(path) == [(NUMBER, None, "import"), (OTHER, "ACMEIN", "import")]
    assert run_json("optouts", "import", "-", "--from", "B", stdin=f"{NUMBER}\n")[0] == {"imported": 1}
    assert (NUMBER, "B", "import") in known(path)


@pytest.mark.parametrize("head", ["number,sender", "# ours\nRecipient", "Numéro, Sender"])
def test_a_line_that_names_the_columns_is_left_out(path, head):
    document, _ = run_json("optouts", "import", "-", stdin=f"{head}\n{NUMBER},ACMEIN\n")
    assert (document, known(path)) == ({"imported": 1}, [(NUMBER, "ACMEIN", "import")])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (f"{NUMBER}\nnumber,sender\n", "line 2: the recipient is not one phone number"),
        (f"{NUMBER},ACMEIN,2030-01-31\n", "line 1: it has more columns than number and sender"),
    ],
)
def test_a_line_that_is_not_understood_is_not_passed_over(path, rows, words):
    done = run("optouts", "import", "-", stdin=rows)
    assert (done.exit_code, words in done.stderr, known(path)) == (Exit.USAGE, True, [])
    assert run_json("optouts", "import", "-", stdin=f"{NUMBER},ACMEIN,,\n")[0] == {"imported": 1}


ODD = {
    "open quote": (b'%s,"ACME\n%s\n%s\n', 1, "quotes do not match"),
    "open quote in a number": (b'%s\n"%s\n%s\n', 2, "quotes do not match"),
    "quotes that fit over lines": (b'%s,"ACME\n%s,"\n%s\n', 1, "quotes do not match"),
    "open quote in the last line": (b'%s\n%s\n%s,"', 3, "quotes do not match"),
    "text behind a quote": (b'%s\n%s,"AC"ME\n%s\n', 2, "quotes do not match"),
    "quote inside": (b'%s\n%s,AC"ME\n%s\n', 2, "quote inside"),
    "quote inside a number": (b'%s\n+91"987\n%s%s', 2, "quote inside"),
    "doubled quotes": (b'%s\n%s,"AC""ME"\n%s\n', 2, "quote inside"),
    "quote behind a space": (b'%s\n%s, "ACME"\n%s\n', 2, "quote inside"),
    "NUL": (b"%s\n%s\n%s,AC\x00ME\n", 3, "control character"),
    "NUL in a number": (b"%s\n%s\x00\n%s\n", 2, "control character"),
    "vertical tab": (b"%s\n%s,A\x0bB\n%s\n", 2, "control character"),
    "line separator": ("%s\n%s,A\u2028B\n%s\n".encode(), 2, "control character"),
    "three columns": (b"%s\n%s,A,B\n%s\n", 2, "more columns than number and sender"),
    "three columns in the head": (b"name,number,sender\n%s\n%s\n%s\n", 1, "more columns than number and sender"),
    "no number": (b"%s\n,ACME\n%s%s\n", 2, "the recipient"),
    "no number but columns": (b"%s\n,\n%s%s\n", 2, "the recipient"),
    "columns of another kind": (b"%s;ACME\n%s;ACME\n%s\n", 1, "the recipient"),
    "a wrong number": (b"%s\n%s\n%s0000000\n", 3, "the recipient"),
    "a second head": (b"number\nnumber\n%s%s%s\n", 2, "the recipient"),
    "no number at the head": (b",ACME\n%s\n%s\n%s\n", 1, "the recipient"),
    "senders before numbers": (b"sender,number\n%s,%s\n%s\n", 1, "not number and sender"),
    "times in the place of senders": (b"number,since\n%s\n%s\n%s\n", 1, "not number and sender"),
    "a date as the sender": (b"%s\n%s,2030-01-31\n%s\n", 2, "no sender"),
    "a time as the sender": (b"%s\n%s\n%s,2030-01-31T10:00:00Z\n", 3, "no sender"),
    "a flag as the sender": (b"%s\n%s\n%s,1\n", 3, "no sender"),
    "a sentence as the sender": (b"%s\n%s\n%s,told us at the door that she wants no more texts\n", 3, "no sender"),
    "what cannot be seen as the sender": ("%s\n%s\n%s,\u200b\n".encode(), 3, "no sender"),
    "what turns a line as the sender": ("%s\n%s,AC\u202eME\n%s\n".encode(), 2, "no sender"),
    "several numbers in a line": (b"%s\n%s,%s\n", 2, "two numbers"),
    "several written numbers in a line": (b"%s\n%s,+91 98765-43212\n%s", 2, "two numbers"),
    "Latin-1": (b"%s\r\n%s\r%s,caf\xe9\n", 3, "not UTF-8"),
    "UTF-16": ("\ufeff+919876543210\n".encode("utf-16-le"), 1, "not UTF-8"),
    "half a character": (b"%s\n%s\n%s,\xe2\x82", 3, "not UTF-8"),
    "a very long cell": (b"%s\n%s\n%s," + b"A" * 200_000, 3, "quotes do not match"),
}


@pytest.mark.parametrize(("rows", "line", "words"), ODD.values(), ids=ODD)
def test_any_odd_row_refuses_the_whole_file_with_its_line(path, tmp_path, rows, line, words):
    file = tmp_path / "numbers.csv"
    numbers = [b"+919876543210", b"+919876543211", b"+919876543212"]
    file.write_bytes(rows % tuple(numbers[: rows.count(b"%s")]))
    run("optouts", "add", "+919876543299")
    done = run("optouts", "import", str(file))
    assert done.exit_code == Exit.USAGE
    assert f"line {line}: " in done.stderr
    assert words in done.stderr
    assert "nothing was imported" in done.stderr
    assert "98765432" not in done.output
    assert known(path) == [("+919876543299", None, "operator")]


def test_a_first_row_of_sender_and_number_is_no_head(path):
    done = run("optouts", "import", "-", stdin=f"ACME,{NUMBER}\n")
    assert (done.exit_code, known(path)) == (Exit.USAGE, [])


def test_a_number_is_a_sender_where_the_columns_are_named(path):
    stdin = f"number,sender\n{NUMBER},+15557122661\n{OTHER},56161\n"
    assert run_json("optouts", "import", "-", stdin=stdin)[0] == {"imported": 2}
    assert [sender for _, sender, _ in known(path)] == ["+15557122661", "56161"]


def test_quotes_round_a_cell_and_every_line_end_are_read(path, tmp_path):
    file = tmp_path / "numbers.csv"
    file.write_bytes(
        b'"number","sender"\r\n"+919876543210","ACME IN"\r+919876543211,"A,B"\n\t\n  # "a remark\n+919876543212,,'
    )
    assert run("optouts", "import", str(file)).stdout == "imported: 3 lines\n"
    assert [sender for _, sender, _ in known(path)] == ["ACME IN", "A,B", None]


def test_to_remove_who_was_never_on_the_list_says_so(path):
    run("optouts", "add", NUMBER, "--from", "ACMEIN")
    done = run("optouts", "remove", OTHER)
    assert (done.exit_code, done.stdout) == (
        Exit.OK,
        "+91******3211 was not on the list for any sender, and may get texts\n",
    )
    assert "was not on the list for B" in run("optouts", "remove", NUMBER, "--from", "B").stdout
    assert run_json("optouts", "remove", NUMBER, "--from", "ACMEIN")[0]["was_opted_out"] is True


def test_a_wrong_line_imports_nothing_and_shows_no_number(path, tmp_path):
    file = tmp_path / "numbers.csv"
    file.write_text(f"{NUMBER}\n{OTHER}abc\n")
    done = run("optouts", "import", str(file))
    assert done.exit_code == Exit.USAGE
    assert "line 2: the recipient is not one phone number" in done.stderr
    assert "nothing was imported" in done.stderr
    assert OTHER[3:] not in done.output
    assert known(path) == []
    file.write_bytes(b"\xff")
    assert "not UTF-8" in run("optouts", "import", str(file)).stderr


def test_without_a_file_there_is_no_list():
    done = run("optouts", "list")
    assert done.exit_code == Exit.CONFIGURATION
    assert "SMSBRIDGE_OPTOUT_STORE names no store" in done.stderr


def test_who_was_added_is_not_texted(path, monkeypatch):
    run("optouts", "add", NUMBER)
    done = run("send", NUMBER, "hello")
    assert done.exit_code == Exit.REFUSED
    assert "the recipient has opted out [opt-out]" in done.stderr
    run("optouts", "remove", NUMBER)
    assert run("send", NUMBER, "hello").exit_code == Exit.OK
