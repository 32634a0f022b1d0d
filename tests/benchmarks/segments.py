"""Count segments against every counter on PyPI that still installs: time, as ratios within one run, and correctness.

    uv run --with smsutil --with sms-counter --with sms-toolkit --with six --with py-smsify --with smssafe \\
        --with python-messaging --with gsm0338 python tests/benchmarks/segments.py [--rounds 7] [--json]

Counters that are not installed are left out, and named. The contestants take turns in each round; a ratio is the median of the
rounds' ratios, theirs to ours. gsm0338 is a codec and no counter: it is here with a rule of ours, which ignores borders,
and does not count for the verdict. Exits with 1 if a text of 150 characters takes us more than 5 microseconds, or if a
counter is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
import warnings
from collections.abc import Callable
from math import ceil
from statistics import median
from timeit import Timer

from smsbridge.text import measure

LIMIT = 5.0  # microseconds
TEXTS = {
    "GSM-7, 150": ("Your order has shipped and will be with you tomorrow. " * 3)[:150],
    "UCS-2, 150": ("आपका ऑर्डर भेज दिया गया है और कल शाम तक पहुँच जाएगा। " * 3)[:150],
    "one curly quote, 150": ("Your order’s shipped and will be with you tomorrow. " * 3)[:150],
    "extensions, 150": ("Pay €5 [now] or €6 {later}: " * 6)[:150],
    "emoji, 150": ("It is here 🎉 " * 12)[:150],
    "GSM-7, 1000": ("Your order has shipped and will be with you tomorrow. " * 19)[:1000],
}
TIMED = ("GSM-7, 150", "UCS-2, 150")
"""The texts to which the limit applies."""

FAMILY = "👨‍👩‍👧‍👦"
EDGES = [
    ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
    ("a" * 152 + "€" + "a" * 152, 3), ("a" * 151 + "€" + "a" * 153, 2), ("{[]}\\^|~€\f" * 8, 1), ("é" * 160, 1),
    ("Ω" * 160, 1), ("\r\n" * 80, 1), ("\f" * 80, 1), ("ç" * 71, 2), ("`" * 71, 2), ("\t" * 71, 2), ("\x1b" * 71, 2),
    ("a\x00" * 36, 2), ("’" + "a" * 69, 1), ("’" + "a" * 70, 2), ("न" * 134, 2), ("न" * 135, 3), ("🎉" * 35, 1),
    ("🎉" * 36, 2), ("🎉" * 67, 3), ("a" * 66 + "🎉" + "a" * 66, 3), (FAMILY * 7, 2), ("नमस्ते " * 10, 1), ("नमस्ते " * 11, 2),
]  # fmt: skip
"""Texts and their segments, by 3GPP TS 23.038 and 23.040."""


def by_smsutil():
    split = importlib.import_module("smsutil").split
    return lambda text: len(split(text).parts)


def by_sms_counter():
    counter = importlib.import_module("sms.counter").SMSCounter()
    return lambda text: counter.count(text).segment


def by_sms_toolkit():
    profile = importlib.import_module("sms_toolkit.messages.profiling").profile_message
    return lambda text: profile(text)["num_segments"]


def by_py_smsify():
    message = importlib.import_module("py_smsify").SmsMessage
    return lambda text: message(text, twilio=True).segments


def by_smssafe():
    sanitize = importlib.import_module("smssafe").sanitize
    return lambda text: sanitize(text).segments


def by_python_messaging():
    submit = importlib.import_module("messaging.sms").SmsSubmit
    return lambda text: len(submit("+919876543210", text).to_pdu())


def by_gsm0338():
    encode = importlib.import_module("gsm0338").Codec().encode

    def count(text):
        try:
            units, single, part = len(encode(text)[0]), 160, 153
        except ValueError:
            units, single, part = len(text.encode("utf-16-be")) // 2, 70, 67
        return 1 if units <= single else ceil(units / part)

    return count


CODEC = "gsm0338 (codec, rule of ours)"
RIVALS = {
    "smsutil": by_smsutil,
    "sms-counter": by_sms_counter,
    "sms-toolkit": by_sms_toolkit,
    "py-smsify": by_py_smsify,
    "smssafe (changes the text first)": by_smssafe,
    "python-messaging (makes PDUs)": by_python_messaging,
    CODEC: by_gsm0338,
}


def microseconds(count: Callable[[str], object], text: str) -> float:
    timer = Timer(lambda: count(text))
    loops = max(int(0.01 / (timer.timeit(10) / 10)), 10)
    return min(timer.repeat(3, loops)) / loops * 1e6


def wrong(count: Callable[[str], int]) -> int:
    """The number of EDGES that a counter gets wrong; no answer counts as wrong."""
    errors = 0
    for text, segments in EDGES:
        try:
            errors += count(text) != segments
        except Exception:  # noqa: BLE001  # a counter may raise anything
            errors += 1
    return errors


def contestants() -> tuple[dict[str, Callable[[str], int]], list[str]]:
    found: dict[str, Callable[[str], int]] = {"smsbridge": lambda text: measure(text).segments}
    absent = []
    for name, load in RIVALS.items():
        try:
            found[name] = load()
        except ImportError:
            absent.append(name)
    return found, absent


def race(found: dict[str, Callable[[str], int]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds by contestant and text, one figure per round."""
    times: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in TEXTS} for name in found}
    for number in range(rounds):
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
        for kind, text in TEXTS.items():
            for name, count in found.items():
                times[name][kind].append(microseconds(count, text))
    return times


def table(report: dict) -> str:
    of = report["edges"]
    lines = [
        ["", "wrong", *TEXTS],
        ["smsbridge", f"{report['wrong']['smsbridge']}/{of}", *(f"{us:.2f} us" for us in report["ours"].values())],
    ]
    for name, ratios in report["ratios"].items():
        lines.append([name, f"{report['wrong'][name]}/{of}", *(f"{ratio:.1f} x" for ratio in ratios.values())])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    notes = (f"{word}: {', '.join(report[word]) or 'none'}" for word in ("absent", "slow", "faster"))
    return "\n".join([*rows, *notes])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often contestants take turns (default 7)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # theirs
    logging.disable()
    found, absent = contestants()
    times = race(found, options.rounds)
    ours = times.pop("smsbridge")
    ratios = {
        name: {kind: median(t / o for t, o in zip(theirs[kind], ours[kind], strict=True)) for kind in TEXTS}
        for name, theirs in times.items()
    }
    report = {
        "ours": {kind: min(item) for kind, item in ours.items()},  # the minimum: a busy machine disturbs it least
        "ratios": ratios,
        "wrong": {name: wrong(count) for name, count in found.items()},
        "edges": len(EDGES),
        "absent": absent,
        "slow": [kind for kind in TIMED if min(ours[kind]) > LIMIT],
        "faster": [
            f"{name} on {kind}" for name, item in ratios.items() if name != CODEC for kind in TEXTS if item[kind] < 1
        ],
    }
    sys.stdout.write(f"{json.dumps(report, indent=2, ensure_ascii=False) if options.json else table(report)}\n")
    return int(bool(report["slow"] or report["faster"]))


if __name__ == "__main__":
    sys.exit(main())
