"""Twenty fixed messages keep their digests: with another digest, a ledger would refuse a repeated text."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smsbridge.messages import Dlt, Message, Purpose
from smsbridge.stores.entries import Kind, digest

KEY = bytes(range(32))
TO, TEXT = "+919876543210", "Your order has shipped"
INDIA = timezone(timedelta(hours=5, minutes=30))

FIXED: dict[str, tuple[dict[str, Any], str]] = {
    "a number and a text": ({}, "7c1817492a608d00d91bf9b89f22e38c4eba316250ef73afd8b5113d5b89257c"),
    "a reference": ({"reference": "order-17"}, "c9061c79b7cc61380ca648c178be97e309d8b2ca145ef46f6aa92a55bd3a39b6"),
    "a sender": ({"sender": "ACMEIN"}, "8f7c1eaefb7b5d1d9f8915242ba0ec8b94d23ebbe219b2ae861d0f40ad95c439"),
    "another purpose": (
        {"purpose": Purpose.PROMOTIONAL},
        "bf0615b71bb7cfed61e181e6d7dccc5d4f7d2477d5161deb8d361a0cddcbdcdb",
    ),
    "a code's purpose": (
        {"purpose": "otp", "text": "123456 is your code"},
        "a5dffaadeb568f83a9b7eebac4e9d56c8b894e30657ee0c13231c51a05a6645a",
    ),
    "at a time of UTC": (
        {"send_at": datetime(2030, 1, 31, 4, 0, tzinfo=UTC)},
        "1c259264f0da2bffbb6e502991351a1e177c0918e0284c9f8a16410defad9668",
    ),
    "at a time of India": (
        {"send_at": datetime(2030, 1, 31, 9, 30, tzinfo=INDIA)},
        "1c259264f0da2bffbb6e502991351a1e177c0918e0284c9f8a16410defad9668",
    ),
    "at a time of a zone with a summer": (
        {"send_at": datetime(2030, 7, 1, 12, 0, 0, 250, tzinfo=ZoneInfo("America/New_York"))},
        "fb9f606ff3e7cffa978b852fd63745abb2cf096afb201ead13888df06931610e",
    ),
    "of no use later": (
        {"valid_until": datetime(2030, 1, 31, 9, 30, tzinfo=INDIA)},
        "7c1817492a608d00d91bf9b89f22e38c4eba316250ef73afd8b5113d5b89257c",
    ),
    "a context": ({"context": {"customer": "41"}}, "7c1817492a608d00d91bf9b89f22e38c4eba316250ef73afd8b5113d5b89257c"),
    "both DLT ids": (
        {"dlt": Dlt(entity_id="1101000000000000001", template_id="1107000000000000001")},
        "c7beae60ac7f180934362f1d1a0328e5e534791a331f8f002152a1b2a0573c73",
    ),
    "a DLT entity alone": (
        {"dlt": Dlt(entity_id="1101000000000000001")},
        "d79d414e07b044ad6b3c1ff169966a25414fc572953f2ac4e2b9dd84767a48ff",
    ),
    "a DLT template alone": (
        {"dlt": Dlt(template_id="1107000000000000001")},
        "8956db03209105627fa52a1b7518e8db2fdc5154c12e2016b5e21012ee40a3fe",
    ),
    "no DLT id": ({"dlt": Dlt()}, "7c1817492a608d00d91bf9b89f22e38c4eba316250ef73afd8b5113d5b89257c"),
    "options": (
        {"options": {"twincle": {"flash": True, "route": "b"}, "acme": {}}},
        "13bf2c0d5cc23d679b156541f9b4479af0e4bfe162ee6e091562d40024958e29",
    ),
    "options in another order": (
        {"options": OrderedDict(acme={}, twincle={"route": "b", "flash": True})},
        "13bf2c0d5cc23d679b156541f9b4479af0e4bfe162ee6e091562d40024958e29",
    ),
    "options of odd kinds": (
        {
            "options": {
                "acme": MappingProxyType(
                    {
                        "day": date(2030, 1, 31),
                        "price": Decimal("0.10"),
                        "tags": {"b", "a"},
                        "none": None,
                        "é": ["₹", 1.5],
                    }
                )
            }
        },
        "b9f0dc439119d31793844f5a184ce0ce8a6e6b04f3639f66f627479463fb8750",
    ),
    "another alphabet": (
        {"text": "आपका ऑर्डर भेज दिया गया है 🚚", "reference": "bestellung-ü"},
        "df4a9cf5645e138ba7f6f9a9fc4afae4d077c466b444e1125a09f3670a10e69d",
    ),
    "odd spacing": (
        {"text": "  two\tspaces \r\n and\u00a0lines\n", "sender": " ACME "},
        "18ac1b24687e11e1f4002830863e7b9abbebaa87c05ac463aa30119ef16c75ad",
    ),
    "quotes and commas": (
        {"text": "'\", None, (\\x00\\)'\x00", "reference": "a', 'b", "sender": ""},
        "0491abe8c1eb5c090b886921f29af60be6decff9b582142192108d2feafa6f65",
    ),
    "everything": (
        {
            "to": "+447400123456",
            "sender": "ACME UK",
            "purpose": Purpose.SERVICE,
            "reference": "00c0ffee00c0ffee00c0ffee00c0ffee",
            "send_at": datetime(2030, 1, 31, 9, 30, tzinfo=ZoneInfo("Asia/Kathmandu")),
            "valid_until": datetime(2030, 2, 1, tzinfo=UTC),
            "dlt": Dlt(entity_id="1101000000000000001", template_id="1107000000000000001"),
            "options": {"vonage": {"client_ref": "x"}},
        },
        "e9aec7bc341dad7e2c03ba1f7e3e64a20e1d13681cd626fa9e8a62f49b76aa7c",
    ),
}
EQUAL = [
    {"a number and a text", "of no use later", "a context", "no DLT id"},
    {"at a time of UTC", "at a time of India"},
    {"options", "options in another order"},
]


def _digest(name: str, kind: Kind = Kind.TEXT) -> str:
    return digest(KEY, Message(**{"to": TO, "text": TEXT, **FIXED[name][0]}), kind).hex()


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_message_keeps_its_digest(name: str) -> None:
    assert _digest(name) == FIXED[name][1]


def test_these_and_no_others_are_equal() -> None:
    alike: dict[str, set[str]] = {}
    for name in FIXED:
        alike.setdefault(_digest(name), set()).add(name)
    assert [names for names in alike.values() if len(names) > 1] == EQUAL


def test_a_code_has_another_digest_than_a_text() -> None:
    assert _digest("everything", Kind.CODE) == "153c4487d4f3ced4e221d8ddb861a0845a3dbc11aa56831b77672df6cdfdd5d9"
