"""Measure how long a text takes to find its template among many: against a loop over compiled expressions, in one run.

    python tests/benchmarks/dlt.py [--templates 10000] [--texts 200] [--rounds 5] [--json]

The loop is the obvious solution: ``{#var#}`` becomes ``(.{1,30})``, and every expression is tried in turn. Both sides
have to name the same templates. Absolute times are of this machine; the promise is at most 2 ms a text.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from statistics import median
from time import perf_counter

from smsbridge.dlt import Registry, Template
from smsbridge.errors import ContentError

PROMISED = 0.002
KINDS = {
    "whole sentences": "Dear {#var#}, {words} {#var#} {words}. -Acme",
    "variable first": "{#var#} {words} {#var#} {words} {#var#}",
    "nearly alike": "Your order {#var#} of shop number {number:06} has shipped, {#var#}. Thank you for buying at Acme!",
    "native script": "प्रिय {#var#}, {words} {#var#} {words} धन्यवाद।",
}


def made(kind: str, count: int, chance: random.Random) -> list[Template]:
    letters = "कखगघचछजटडतदनपबमयरलवशसहािीुेो" if kind == "native script" else "abcdefghijklmnoprstuvwy"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(3000)]
    templates = []
    for number in range(count):
        text = KINDS[kind].replace("{number:06}", f"{number:06}")
        while "{words}" in text:
            text = text.replace("{words}", " ".join(chance.choices(words, k=chance.randint(4, 9))), 1)
        templates.append(Template(id=str(number + 1), text=text))
    return templates


def loop(templates):
    """Try each expression, and return the templates that fit."""
    compiled = [
        (template.id, re.compile(re.escape(template.text).replace(r"\{\#var\#\}", "(.{1,30})"), re.DOTALL))
        for template in templates
    ]
    return lambda text: [template for template, expression in compiled if expression.fullmatch(text)]


def seconds(work, texts):
    begin = perf_counter()
    for text in texts:
        work(text)
    return (perf_counter() - begin) / len(texts)


def measure(kind, options):
    chance = random.Random(17)  # the same templates each time
    templates = made(kind, options.templates, chance)
    begin = perf_counter()
    registry = Registry.of(*templates)
    loading = perf_counter() - begin
    naive = loop(templates)
    texts = [template.text.replace("{#var#}", "Asha 17") for template in chance.sample(templates, options.texts)]
    few = texts[: max(options.texts // 20, 1)]  # a loop is slow
    for text in few:
        assert [match.template.id for match in registry.find(text).matches] == sorted(naive(text))
    rounds = [(seconds(registry.find, texts), seconds(naive, few)) for _ in range(options.rounds)]
    registry.nearest(texts[0])  # the first text builds the table of words
    begin = perf_counter()
    for text in few:
        try:
            registry.match(text.replace("a", "b", 1) + "?")
        except ContentError:
            continue
    return {
        "kind": kind,
        "templates": len(templates),
        "loading_s": round(loading, 2),
        "ours_ms": round(median(ours for ours, _ in rounds) * 1000, 3),
        "loop_ms": round(median(theirs for _, theirs in rounds) * 1000, 3),
        "ratio": round(median(theirs / ours for ours, theirs in rounds), 1),
        "refusing_ms": round((perf_counter() - begin) / len(few) * 1000, 3),
        "kept": median(ours for ours, _ in rounds) <= PROMISED,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--templates", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measure(kind, options) for kind in KINDS]
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for match in found:
        sys.stdout.write(
            f"{match['kind']:<16} {match['templates']} templates: {match['ours_ms']} ms a text, loop {match['loop_ms']} ms, "
            f"{match['ratio']} times as fast; loaded in {match['loading_s']} s; a refusal with the nearest "
            f"template takes {match['refusing_ms']} ms; {'kept' if match['kept'] else 'BROKEN'}\n"
        )


if __name__ == "__main__":
    main()
