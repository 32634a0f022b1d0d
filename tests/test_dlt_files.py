"""A registry's file, TOML or a portal's CSV: each mistake is named with its line and the expected form."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.dlt import Category, Registry, Rules, State, Template
from smsbridge.dlt.contents import Contents
from smsbridge.dlt.files import read
from smsbridge.dlt.toml_file import read as read_toml
from smsbridge.dlt.toml_file import write
from smsbridge.errors import ConfigurationError
from smsbridge.messages import Purpose

WHOLE = '''\
entity_id = "1101456780000012345"  # of Acme

[rules]
longest = 30
alphanumeric_also = " "

[[headers]]
name = "ACMEIN"

[[headers]]
name = "OTHERS"
entity_id = "1201456780000012345"

[[templates]]
id = "1107000000000000001"
name = "order-shipped"
headers = ["ACMEIN"]
category = "service-implicit"
text = "Your order {#var#} has shipped, {#var#}."
valid_from = 2026-01-01
valid_until = 2027-12-31

[[templates]]
id = "1107000000000000002"
purpose = "otp"
status = "inactive"
text = """नमस्ते {#var#},
आपका कोड {#numeric#} है।"""
'''


def mistakes(source):
    return [str(mistake) for mistake in read_toml("dlt.toml", source).mistakes]


# --- TOML -----------------------------------------------------------------------------------------------------------------


def test_a_file_holds_ids_headers_templates_and_rules(tmp_path):
    (tmp_path / "dlt.toml").write_text(WHOLE, "utf-8")
    registry = Registry.load(tmp_path / "dlt.toml")
    assert registry.entity_id == "1101456780000012345"
    assert {name: header.entity_id for name, header in registry.headers.items()} == {
        "ACMEIN": None,
        "OTHERS": "1201456780000012345",
    }
    assert registry.rules == (Rules(alphanumeric_also=" "),)
    assert [*registry.templates.values()] == [
        Template(
            id="1107000000000000001",
            name="order-shipped",
            headers=("ACMEIN",),
            category=Category.SERVICE_IMPLICIT,
            text="Your order {#var#} has shipped, {#var#}.",
            valid_from=date(2026, 1, 1),
            valid_until=date(2027, 12, 31),
        ),
        Template(
            id="1107000000000000002",
            purpose=Purpose.OTP,
            status=State.INACTIVE,
            text="नमस्ते {#var#},\nआपका कोड {#numeric#} है।",
        ),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_windows_does_to_a_file_is_undone(tmp_path, encoding):
    (tmp_path / "dlt.toml").write_bytes(WHOLE.replace("\n", "\r\n").encode(encoding))
    assert Registry.load(tmp_path / "dlt.toml").templates["1107000000000000002"].text.count("\n") == 1
    assert "\r" not in Registry.load(tmp_path / "dlt.toml").templates["1107000000000000002"].text


def test_rules_that_take_turns():
    source = "[[rules]]\nlongest = 40\nsince = 2027-01-01\n[[rules]]\nuntyped_until = 2026-12-31\n"
    contents = read_toml("dlt.toml", source)
    registry = Registry.holding(contents)
    assert registry.rules_on(date(2026, 12, 31)).untyped_until == date(2026, 12, 31)
    assert registry.rules_on(date(2027, 1, 1)) == Rules(since=date(2027, 1, 1), longest=40)
    assert mistakes("[[rules]]\n[[rules]]") == [
        "line 2: since must differ in each set of rules: two sets have the same first day"
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('text = "a', ["line 1: this is not TOML: Unterminated string"]),
        ("a = 1\nb = ", ["line 2: this is not TOML: Invalid value"]),
        ("foo = 1", ["line 1: there is no key 'foo'; have entity_id, headers, templates, rules"]),
        ("\n[[template]]\nid = '1'", ["line 2: there is no key 'template'; did you mean 'templates'?"]),
        ("entity_id = 1101", ["line 1: entity_id must be a string of digits: put it in quotes"]),
        ("entity_id = '11a'", ["line 1: entity_id must be digits only, in quotes"]),
        ("[[headers]]\nname = 'A-B'", ["line 2: name must be 3 to 11 letters and digits, as in ACMEIN"]),
        ("[[headers]]\nname = 'ACMEIN'\n[[headers]]\nname = 'ACMEIN'", ["line 4: the header ACMEIN is declared twice: remove one declaration"]),
        ("headers = ['ACMEIN']", ["line 1: expected a table, as in [[headers]]"]),
        ("[templates]\nid = '1'", ["line 1: expected a table, as in [[templates]]"]),
        ("[[templates]]\nid = '1'", ["line 1: text is missing: every template needs it"]),
        ("[[templates]]\ntext = 'x'", ["line 1: id is missing: every template needs it"]),
        ("[[templates]]\nid = 11\ntext = 'x'", ["line 2: id must be a string of digits: put it in quotes"]),
        ("[[templates]]\nid = '१२'\ntext = 'x'", ["line 2: id must be digits only, in quotes"]),
        ("[[templates]]\nid = '1'\ntext = 'x'\ntxet = 'y'", ["line 4: there is no key 'txet'; did you mean 'text'?"]),
        ("[[templates]]\nid = '1'\ntext = 5", ["line 3: text must be a string"]),
        ("[[templates]]\nid = '1'\ntext = ''", ["line 3: text is empty"]),
        ("[[templates]]\nid = '1'\ntext = 'x'\nheaders = 'ACMEIN'", ['line 4: headers must be a list, as in ["ACMEIN"]']),
        (
            "[[templates]]\nid = '1'\ntext = 'x'\ncategory = 'otp'",
            ["line 4: category must be one of transactional, service-implicit, service-explicit, promotional"],
        ),
        (
            "[[templates]]\nid = '1'\ntext = 'x'\nvalid_until = '2026-01-01'",
            ["line 4: valid_until must be a date without quotes, as in 2026-01-31"],
        ),
        (
            "[[templates]]\nid = '1'\ntext = 'x'\nvalid_from = 2026-01-02\nvalid_until = 2026-01-01",
            ["line 5: valid_until is before valid_from"],
        ),
        (
            "[[headers]]\nname = 'ACMEIN'\n[[templates]]\nid = '1'\ntext = 'x'\nheaders = ['ACMEIM']",
            ["line 6: headers: 'ACMEIM' is not declared in [[headers]]; did you mean 'ACMEIN'?"],
        ),
        (
            "[[templates]]\nid = '1'\ntext = 'x'\n[[templates]]\nid = '1'\ntext = 'y'",
            ["line 5: two templates have the id '1'; the other is on line 2: change or remove one"],
        ),
        (
            "[[templates]]\nid = '1'\nname = 'a'\ntext = 'x'\n[[templates]]\nid = '2'\nname = 'a'\ntext = 'y'",
            ["line 7: two templates have the name 'a'; the other is on line 3: change or remove one"],
        ),
        (
            "[[headers]]\nname='AAA'\nentity_id='1'\n[[headers]]\nname='BBB'\nentity_id='2'\n[[templates]]\nid='1'\ntext='x'\nheaders=['AAA','BBB']",
            ["line 10: headers: they belong to several entities, or not to the template's: correct an entity_id"],
        ),
        ("[rules]\nlongset = 30", ["line 2: there is no key 'longset'; did you mean 'longest'?"]),
        ("[rules]\nlongest = '30'", ["line 2: longest must be a whole number"]),
        ("[rules.longest_by_tag]\notp = 3", ["line 1: longest_by_tag: there is no tag 'otp'"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_was_expected(source, found):
    there = mistakes(source)
    assert len(there) == len(found)
    assert all(mistake.startswith(words) for mistake, words in zip(there, found, strict=True)), there


def test_every_mistake_of_a_file_is_in_the_error(tmp_path):
    (tmp_path / "dlt.toml").write_text("foo = 1\n[[templates]]\nid = '1'\ntext = 'Hi {#name#}'\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"line 1: there is no key 'foo'.*line 4: text has \{#name#\}"):
        Registry.load(tmp_path / "dlt.toml")


def test_lines_are_not_confused_by_what_stands_in_strings_and_comments():
    source = '''\
[[templates]] # [[templates]]
id = "1" # id = "2"
text = """
[[templates]]
id = "3\\"""
"""
[[templates]]
text = \'\'\'
[[templates]]'\'\'\'
id = "x"
'''
    assert mistakes(source) == ["line 10: id must be digits only, in quotes"]


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00", b"a = '\xe9'\n"])
def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path, data):
    path = tmp_path / "dlt.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"cannot be read|not UTF-8|not TOML"):
        Registry.load(path)
    with pytest.raises(ConfigurationError):
        Registry.load("a\0b")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(texts):
    templates = []
    for number, text in enumerate(texts):
        try:
            templates.append(Template(id=str(number), name=f"n {number}", text=text, headers=("ACMEIN",)))
        except ValueError:
            continue
    before = Contents(file="x", entity_id="12", templates=tuple(templates))
    after = read_toml("x", write(before))
    assert not after.mistakes
    assert [template.text for template in after.templates] == [
        template.text.replace("\r\n", "\n") for template in templates
    ]
    assert (after.entity_id, [template.name for template in after.templates]) == (
        "12",
        [template.name for template in templates],
    )


def test_what_cannot_be_seen_is_written_so_that_it_can():
    written = write(Contents(file="x", templates=(Template(id="1", text="a\u00a0b\u200bc\u2028d\u200de"),)))
    assert r"a\u00a0b\u200bc\u2028d" in written


# --- CSV ------------------------------------------------------------------------------------------------------------------

ROWS = [
    ["1107000000000000001", "order shipped", "ACMEIN", "Service Implicit", "Your order {#var#} has shipped.", "REGISTERED VIA AIRTEL"],
    ["1107000000000000002", "code", "ACMEIN,ACMOTP", "SI", 'A "code": {#numeric#};\nthanks', "Approved"],
]  # fmt: skip


def csv(heads, rows, separator=","):
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in [heads, *rows]]
    return "\n".join(separator.join(row) for row in quoted) + "\n"


@pytest.mark.parametrize(
    "heads",
    [
        ["DLT-ID", "Name", "Header", "Communication-Type", "Content", "Status"],
        ["TEMPLATE_ID", "TEMPLATE_NAME", "SENDER_ID", "TEMPLATE_TYPE", "TEMPLATE_CONTENT", "STATUS"],
        ["Template ID", "Template Name", "Header Name", "Category", "Template Message", "Approval Status"],
        ["dlt template id", "title", "senderids", "type", "template", "template status"],
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_export_of_a_portal(tmp_path, heads, separator, encoding):
    (tmp_path / "portal.CSV").write_bytes(csv(heads, ROWS, separator).replace("\n", "\r\n").encode(encoding))
    registry = Registry.load(tmp_path / "portal.CSV")
    first, second = registry.templates.values()
    assert (first.id, first.name, first.category) == (ROWS[0][0], "order shipped", Category.SERVICE_IMPLICIT)
    assert second.text == ROWS[1][4]
    assert (second.headers, second.status) == (("ACMEIN", "ACMOTP"), State.ACTIVE)
    assert list(registry.headers) == ["ACMEIN", "ACMOTP"]


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("31-01-2026", date(2026, 1, 31)),
        ("01/02/2026", date(2026, 2, 1)),
        ("31-Jan-2026", date(2026, 1, 31)),
        ("31 Jan 2026 10:15:00", date(2026, 1, 31)),
        ("2026-01-31T10:15:00+05:30", date(2026, 1, 31)),
        ("2026-01-31 10:15:00", date(2026, 1, 31)),
        ("N/A", None),
        ("", None),
    ],
)
def test_dates_as_portals_write_them(tmp_path, cell, day):
    (tmp_path / "p.csv").write_text(csv(["Template Id", "Content", "Expiry Date"], [["1", "x", cell]]), "utf-8")
    assert Registry.load(tmp_path / "p.csv").templates["1"].valid_until == day


@pytest.mark.parametrize("cell", ["'1107000000000000001", '="1107000000000000001"', " 1107000000000000001 "])
def test_ids_as_spreadsheets_keep_them(tmp_path, cell):
    (tmp_path / "p.csv").write_text(csv(["Template Id", "Content"], [[cell, "x"]]), "utf-8")
    assert list(Registry.load(tmp_path / "p.csv").templates) == ["1107000000000000001"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "the file is empty; expected a line with the names of the columns"),
        ("\n\n", "the file is empty"),
        ("a,b\n1,2\n", "line 1: no column for id or text among: a, b"),
        ("\nTemplate Id,b\n1,2\n", "line 2: no column for text among: Template Id, b"),
        ("Template Id,Content\n1.10716E+18,x\n", "line 2: id was rounded by a spreadsheet"),
        (
            "Template Id,Content\n1,x\n1,y\n",
            "line 3: two templates have the id '1'; the other is on line 2: change or remove one",
        ),
        ('Template Id,Content\n1,"x\ny"\nz,y\n', "line 4: id must be digits only"),
        ("Template Id,Content\n1\n", "line 2: text is missing: every template needs it"),
        ("Template Id,Content,Status\n1,x,purple\n", "line 2: status is not known; known are active"),
        ("Template Id,Content,Category\n1,x,purple\n", "line 2: category must be one of transactional"),
        ("Template Id,Content,Valid Till\n1,x,soon\n", "line 2: valid_until must be a date such as"),
        ("Template Id,Content,Header\n1,x,A!\n", "line 2: headers must be 3 to 11 letters"),
        ("Template Id,Content\n1,Hi %s\n", "line 2: text has %s, which is not a placeholder"),
        ('Template Id,Content\n1,"x', "line 2: this is not CSV"),
        ('Template Id,Content\n1,"x"y\n', "line 2: this is not CSV"),
    ],
)
def test_a_mistake_of_an_export_is_named_with_its_line(tmp_path, source, words):
    (tmp_path / "p.csv").write_text(source, "utf-8")
    (found,) = read(tmp_path / "p.csv").mistakes
    assert str(found).startswith(words)
