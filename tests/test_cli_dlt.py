"""smsbridge dlt: check a registry and texts, match, import, explain."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_acme import MASKED, NUMBER, AcmeProvider, install, pipe, run, run_json
from smsbridge import errors, reading
from smsbridge.cli.advice import advise
from smsbridge.cli.exits import Exit
from smsbridge.dlt.codes import ADVICE, OPERATORS, advice, decode
from smsbridge.dlt.excerpt import excerpt
from smsbridge.plugins import Plugins
from smsbridge.text.columns import columns

FILE = """\
entity_id = "1101456780000012345"

[[headers]]
name = "ACMEIN"

[[headers]]
name = "ACMOTP"

[[templates]]
id = "1107000000000000001"
name = "order-shipped"
headers = ["ACMEIN"]
category = "service-implicit"
text = "Your order {#var#} has shipped, {#var#}."

[[templates]]
id = "1107000000000000002"
name = "code"
headers = ["ACMEIN", "ACMOTP"]
text = "आपका कोड {#numeric#} है।"
"""
OLD = '[[templates]]\nid = "1107000000000000003"\nheaders = ["ACMEIN"]\ntext = "Old {#numeric#}"\nvalid_until = 2026-01-31\n'
TEXT = "Your order 17 has shipped, Asha."


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    install(monkeypatch)
    monkeypatch.setattr(reading, "now", lambda: datetime(2026, 11, 22, tzinfo=UTC))
    path = tmp_path / "dlt.toml"
    path.write_text(FILE, "utf-8")
    monkeypatch.setenv("SMSBRIDGE_DLT_REGISTRY", str(path))
    return path


@pytest.mark.parametrize("command", ["check", "match", "import", "explain"])
def test_every_command_has_help_with_examples(command):
    done = run("dlt", command, "--help")
    assert done.exit_code == Exit.OK
    assert f"smsbridge dlt {command} " in done.stdout
    assert "Exit code: 0" in done.stdout


# --- check


def test_a_registry_that_is_all_right():
    done = run("dlt", "check")
    assert done.exit_code == Exit.OK
    assert done.stdout.endswith("dlt.toml: 2 templates, 2 headers, 0 notices, no mistakes\n")
    assert "1 of the templates has plain {#var#}" in done.stderr


def test_mistakes_are_shown_with_their_lines(registry):
    registry.write_text(FILE + "txet = 5\n[[templates]]\nid = 'x'\ntext = 'y'\n", "utf-8")
    done = run("dlt", "check")
    assert done.exit_code == Exit.CONFIGURATION
    assert "dlt.toml: line 21: there is no key 'txet'; did you mean 'text'?" in done.stdout
    assert "dlt.toml: line 23: id must be digits only" in done.stdout
    document, code = run_json("dlt", "check", str(registry))
    assert code == document["exit_code"] == Exit.CONFIGURATION
    assert [mistake["line"] for mistake in document["mistakes"]] == [21, 23]


def test_one_of_a_kind_is_counted_as_one(registry):
    registry.write_text('entity_id = "1"\n[[templates]]\nid = "9"\ntext = "x"\n', "utf-8")
    assert run("dlt", "check").stdout.endswith("1 template, 0 headers, 1 notice, no mistakes\n")
    registry.write_text("txet = 5\n", "utf-8")
    assert run("dlt", "check").stderr.endswith("dlt.toml: 1 mistake\n")


def test_a_registry_without_templates_is_not_passed_over_in_silence(registry):
    registry.write_text("", "utf-8")
    assert "there are no templates, so every text to India is refused" in run("dlt", "check").stdout
    assert run("dlt", "check", "--strict").exit_code == Exit.CONFIGURATION
    (warning,) = [finding for finding in run_json("doctor")[0]["findings"] if "templates" in finding["message"]]
    assert (warning["level"], warning["message"].endswith("every text to India is refused")) == ("warning", True)
    registry.write_text(FILE, "utf-8")
    assert "templates" not in str(run_json("doctor")[0]["findings"])


def test_notices_fail_a_strict_check_only(registry):
    registry.write_text(FILE + OLD, "utf-8")
    done = run("dlt", "check")
    assert done.exit_code == Exit.OK
    assert "line 21: template 1107000000000000003 expired on 2026-01-31" in done.stdout
    assert run("dlt", "check", "--strict").exit_code == Exit.CONFIGURATION


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('text = "Sale"\nvalid_until = 2026-12-01', "expires on 2026-12-01"),
        ('text = "Sale"\nstatus = "blocked"', "is blocked"),
        ('text = "Sale"', "names no header, so its sender id is not checked"),
        ('text = "{#numeric#}"', "has no fixed text"),
        ('text = "Card XXXX1234"', "has XXXX as fixed text"),
        ('text = "आपका कोड {#numeric#} है।"', "has the same text as 1107000000000000002 (code)"),
    ],
)
def test_what_is_worth_knowing_is_a_notice(registry, entry, words):
    registry.write_text(f'{FILE}[[templates]]\nid = "9"\n{entry}\n', "utf-8")
    assert f"template 9 {words}" in run("dlt", "check").stdout
    registry.write_text('[[templates]]\nid = "9"\ntext = "x"\n', "utf-8")
    assert "has no entity id" in run("dlt", "check").stdout


def test_texts_are_checked_too(registry, tmp_path):
    (tmp_path / "welcome.txt").write_text(f"{TEXT}\n", "utf-8")
    assert run("dlt", "check", "--text-file", "welcome.txt").exit_code == Exit.OK
    (tmp_path / "welcome.txt").write_text(f"{TEXT} \n", "utf-8")
    done = run("dlt", "check", "--text-file", "welcome.txt")
    assert done.exit_code == Exit.REFUSED
    assert "refused: the text: the text differs from template 1107000000000000001" in done.stdout
    assert run("dlt", "check", "--text-file", "-", stdin=TEXT).exit_code == Exit.OK


def test_many_messages_are_checked_as_they_would_be_sent(tmp_path):
    lines = [
        {"to": NUMBER, "text": TEXT},
        {"to": "+1 415 555 0123", "text": "anything"},
        {"to": NUMBER, "text": TEXT, "sender": "ACMOTP"},
        {"to": NUMBER, "text": TEXT[:-1]},
        {"to": "unknown", "text": TEXT},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    document, code = run_json("dlt", "check", "--many", "m.jsonl")
    assert code == Exit.REFUSED
    outcomes = [(text["outcome"], text["reason"]) for text in document["texts"]]
    assert outcomes == [
        ("fits", None),
        ("not for India", None),
        ("refused", "dlt-header"),
        ("refused", "dlt-template"),
        ("refused", "not-a-number"),
    ]
    assert "Asha" not in run("dlt", "check", "--many", "m.jsonl").output
    (tmp_path / "m.jsonl").write_text("{}", "utf-8")
    assert run("dlt", "check", "--many", "m.jsonl").exit_code == Exit.USAGE


def test_many_messages_to_check_may_come_through_a_pipe_or_standard_input_and_a_file_has_to_be_there():
    line = json.dumps({"to": NUMBER, "text": TEXT})
    with pipe(line) as path:
        done = run("dlt", "check", "--many", path)
    assert (done.exit_code, "fits: message 1 1107000000000000001" in done.stdout) == (Exit.OK, True)
    assert "fits: message 1" in run("dlt", "check", "--many", "-", stdin=line).stdout
    done = run("dlt", "check", "--many", "nowhere.jsonl")
    assert (done.exit_code, "nowhere.jsonl cannot be read: No such file" in done.stderr) == (Exit.USAGE, True)


# --- match


def test_the_template_of_a_text_and_its_values():
    done = run("dlt", "match", TEXT)
    assert done.exit_code == Exit.OK
    assert done.stdout == (
        "fits 1107000000000000001 (order-shipped)\n"
        "  headers   ACMEIN\n"
        "  entity    1101456780000012345\n"
        "  category  service-implicit\n"
        "  value 1   17\n"
        "  value 2   Asha\n"
    )
    document, code = run_json("dlt", "match", "-", stdin=TEXT)
    assert (code, document["outcome"]) == (Exit.OK, "fits")
    assert document["matches"][0].items() >= {"template_id": "1107000000000000001", "values": ["17", "Asha"]}.items()


def test_the_first_difference_is_marked():
    done = run("dlt", "match", TEXT.replace(" order", "  order"))
    assert done.exit_code == Exit.REFUSED
    assert done.stdout.splitlines() == [
        "fits no template",
        "1107000000000000001 (order-shipped): at character 6, there is a second space too much",
        "  Your  order 17 has shipped, Asha.",
        "       ^",
        "  Your order {#var#} has shipped, {#var#}.  (as registered)",
    ]


def test_the_first_difference_as_json():
    document, code = run_json("dlt", "match", TEXT.replace("has", "h\u0430s"))
    assert (code, document["outcome"]) == (Exit.REFUSED, "fits none")
    (near,) = document["nearest"]
    assert near == {
        "template_id": "1107000000000000001",
        "name": "order-shipped",
        "changes": 1,
        "position": 15,
        "change": "changed",
        "expected": "a",
        "found": "\u0430",
        "difference": "at character 16, there is a cyrillic small letter a (U+0430), where the template has "
        "a latin small letter a (U+0061)",
    }


def test_in_native_script_too():
    done = run("dlt", "match", "आपका कोड 4821 है.")
    lines = done.stdout.splitlines()
    assert lines[1].endswith("where the template has a devanagari danda (U+0964)")
    assert columns(lines[3]) == columns(lines[2])


def test_a_text_like_none():
    assert run("dlt", "match", "Something else").stdout == "fits no template, and none is like it\n"
    assert run("dlt", "match", "").exit_code == Exit.REFUSED


def test_one_template_may_be_named():
    assert run("dlt", "match", TEXT, "--template", "order-shipped").exit_code == Exit.OK
    done = run("dlt", "match", TEXT[:-1], "--template", "1107000000000000001")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        Exit.REFUSED,
        "does not fit 1107000000000000001 (order-shipped)",
    )
    done = run("dlt", "match", TEXT, "--template", "code")
    assert done.stdout == "does not fit 1107000000000000002 (code), and is nothing like it\n"
    assert "did you mean 'code'" in run("dlt", "match", TEXT, "--template", "cod").stderr


def test_several_or_none_that_may_be_used(registry):
    registry.write_text(FILE + OLD + '[[templates]]\nid = "4"\ntext = "Your order {#var#}"\n', "utf-8")
    done = run("dlt", "match", TEXT)
    assert done.exit_code == Exit.REFUSED
    assert done.stdout.startswith("ambiguous: it fits 2 templates\nfits 1107000000000000001 (order-shipped)\n")
    assert ADVICE["dlt-ambiguous"] in done.stderr
    done = run("dlt", "match", "Old 17")
    assert done.stdout == "fits 1107000000000000003, which expired on 2026-01-31\n"
    assert ADVICE["dlt-expired"] in done.stderr
    assert run_json("dlt", "match", "Old 17")[0]["barred"][0]["reason"] == "dlt-expired"
    assert run("dlt", "match", TEXT, "--from", "ACMOTP").exit_code == Exit.OK
    assert (
        run("dlt", "match", TEXT, "--purpose", "promotional", "--template", "order-shipped").exit_code == Exit.REFUSED
    )


def test_another_way_to_cut_is_told(registry):
    registry.write_text('[[templates]]\nid = "4"\ntext = "{#var#} {#var#}"\n', "utf-8")
    assert "these are the shortest" in run("dlt", "match", "a b c").stderr


def test_without_a_registry_it_says_how_to_name_one(monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_DLT_REGISTRY")
    done = run("dlt", "match", TEXT)
    assert done.exit_code == Exit.USAGE
    assert "give --registry FILE, or set SMSBRIDGE_DLT_REGISTRY" in done.stderr
    assert run("dlt", "match", TEXT, "--registry", "nowhere.toml").exit_code == Exit.CONFIGURATION


# --- the excerpt


@given(st.text(), st.data())
def test_the_caret_stands_within_the_line(text, data):
    position = data.draw(st.integers(0, len(text)))
    line, under = excerpt(text, position)
    assert under.strip() == "^"
    assert len(under) <= columns(line) + 1
    assert columns(line) <= 76
    assert line.isprintable() or not text.isprintable()
    assert not set(line) & set(map(chr, [*range(32), 127, *range(0x80, 0xA0)]))


@pytest.mark.parametrize(
    ("text", "position", "under"),
    [
        ("abc", 1, " ^"),
        ("日本c", 2, "    ^"),
        ("a\nb", 1, " ^"),
        ("नमस्ते.", 6, "    ^"),
        ("e\u0301x", 1, "^"),
        ("a\u200bb", 1, " ^"),
        ("", 0, "^"),
    ],
)
def test_the_caret_stands_under_what_it_means(text, position, under):
    assert excerpt(text, position)[1] == under


def test_a_long_text_is_cut_on_both_sides():
    line, under = excerpt("x" * 500 + "!" + "y" * 500, 500)
    assert line.startswith("…x")
    assert line.endswith("y…")
    assert line[under.index("^")] == "!"


# --- import

PORTAL = (
    'Template Id;Template Name;Header;Type;Content\n1107000000000000001;shipped;ACMEIN;SI;"Order {#var#}, ""Acme"""\n'
)


def test_an_export_becomes_a_registry(tmp_path):
    (tmp_path / "portal.csv").write_text(PORTAL, "utf-8")
    done = run("dlt", "import", "portal.csv", "-o", "new.toml", "--entity", "1101456780000012345")
    assert (done.exit_code, done.stdout) == (Exit.OK, "wrote new.toml: 1 template, 1 header\n")
    assert run("dlt", "match", 'Order 17, "Acme"', "--registry", "new.toml", "--from", "ACMEIN").exit_code == Exit.OK
    assert 'entity_id = "1101456780000012345"' in (tmp_path / "new.toml").read_text("utf-8")
    assert run("dlt", "import", "portal.csv").stdout.startswith("[[headers]]\nname = ")


def test_nothing_is_overwritten_unless_that_is_asked_for(tmp_path, registry):
    (tmp_path / "portal.csv").write_text(PORTAL, "utf-8")
    done = run("dlt", "import", "portal.csv", "-o", str(registry))
    assert done.exit_code == Exit.USAGE
    assert "--force overwrites it" in done.stderr
    assert registry.read_text("utf-8") == FILE
    document, code = run_json("dlt", "import", "portal.csv", "-o", str(registry), "--force")
    assert (code, document) == (Exit.OK, {"file": str(registry), "templates": 1, "headers": 1})
    assert "shipped" in registry.read_text("utf-8")


@pytest.mark.parametrize(
    ("source", "args", "code"),
    [
        ("Template Id,Content\n1,{#x#}\n", [], Exit.CONFIGURATION),
        (PORTAL, ["--entity", "x"], Exit.USAGE),
        (PORTAL, ["-o", "nowhere/new.toml"], Exit.USAGE),
    ],
)
def test_what_cannot_be_imported_leaves_nothing_behind(tmp_path, source, args, code):
    (tmp_path / "portal.csv").write_text(source, "utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert run("dlt", "import", "portal.csv", "-o", "new.toml", *args).exit_code == code
    assert sorted(tmp_path.rglob("*")) == before


def test_a_disk_that_is_full_leaves_the_old_file_whole(tmp_path, registry, monkeypatch):
    from pathlib import Path

    (tmp_path / "portal.csv").write_text(PORTAL, "utf-8")

    def full(self, *args, **options):
        self.open("w").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left" in run("dlt", "import", "portal.csv", "-o", str(registry), "--force").stderr
    assert registry.read_text("utf-8") == FILE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# --- explain


def test_an_operators_code():
    done = run("dlt", "explain", "633")
    assert done.exit_code == Exit.OK
    assert done.stdout == "code    633\nname    TEMPLATE_NOT_MATCHED\nreason  dlt-template\n"
    assert ADVICE["dlt-template"] in done.stderr
    assert run_json("dlt", "explain", "template-not-matched")[0]["code"] == "633"


def test_where_published_lists_disagree_that_is_said():
    assert "sender does not match the template" in run("dlt", "explain", "614").stdout


def test_a_providers_code_is_in_its_own_table(monkeypatch):
    monkeypatch.setattr(AcmeProvider, "reasons", {"614": "dlt-header", "x-9": "spam"})
    assert run_json("dlt", "explain", "614", "--provider", "acme")[0]["reason"] == "dlt-header"
    assert (
        run_json("dlt", "explain", "X-9", "--provider", "acme")[0].items() >= {"reason": "spam", "advice": None}.items()
    )
    assert run_json("dlt", "explain", "633", "--provider", "acme")[0]["reason"] == "dlt-template"
    assert run("dlt", "explain", "633", "--provider", "unknown").exit_code == Exit.CONFIGURATION


def test_an_unknown_code():
    done = run("dlt", "explain", "999")
    assert (done.exit_code, done.stdout) == (Exit.NOT_FOUND, "")
    assert "'999' is not among the known operators' codes" in done.stderr
    assert run_json("dlt", "explain", "999")[1] == Exit.NOT_FOUND


def test_a_reason_of_ours():
    assert ADVICE["dlt-header"] in run("dlt", "explain", "dlt-header").stderr


@pytest.mark.parametrize(
    ("provider", "code", "reason"),
    [
        ("infobip", "4107", "dlt-timeout"),
        ("infobip", "4130", "dlt-header"),
        ("infobip", "4138", "quiet-hours"),
        ("vonage", "50", "dlt-entity"),
        ("vonage", "1482", "dlt-template"),
        ("twilio", "21900", "dlt-entity"),
        ("twincle", "DLT-TM-VAR-EXECEED", "dlt-variable"),
        ("twincle", "DNDNUMB", "dnd"),
    ],
)
def test_what_the_codes_of_our_providers_mean(provider, code, reason):
    meaning = decode(code, Plugins().provider_class(provider).reasons)
    assert (meaning.reason, meaning.advice) == (reason, ADVICE[reason])


@pytest.mark.parametrize("provider", ["infobip", "plivo", "twilio", "twincle", "vonage"])
def test_every_dlt_reason_of_a_provider_has_advice(provider):
    reasons = Plugins().provider_class(provider).reasons
    assert reasons
    assert {value for value in reasons.values() if value.startswith("dlt")} <= ADVICE.keys()


def test_the_operators_codes_have_known_reasons():
    assert {known.reason for known in OPERATORS.values()} <= ADVICE.keys()
    assert all(known.advice for known in OPERATORS.values())
    assert decode(" 633 ") is OPERATORS["633"]
    assert decode("606") is None  # reserved: nothing is guessed from a range
    assert advice(None) is advice("spam") is None


@pytest.mark.parametrize("cls", [errors.ContentError, errors.SenderError, errors.RefusedError])
def test_an_error_with_a_dlt_reason_has_advice_about_dlt(cls):
    assert advise(cls(reason="dlt-header")) == ADVICE["dlt-header"]
    assert advise(cls(reason="dlt-unheard-of")) == advise(cls())
    assert advise(cls(reason="spam")) == advise(cls())


def test_numbers_stay_masked(tmp_path):
    (tmp_path / "m.jsonl").write_text(json.dumps({"to": NUMBER, "text": "x"}), "utf-8")
    done = run("dlt", "check", "--many", "m.jsonl")
    assert NUMBER not in done.output
    assert MASKED not in done.output
