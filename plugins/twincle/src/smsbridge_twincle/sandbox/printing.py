"""Shows what the sandbox receives and pushes: readable lines, or JSON lines. Never the token."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .answers import Answer, Refused
from .state import State, masked

if TYPE_CHECKING:
    from .reading import Call
    from .reports import Push

MOST_ROWS = 5
LONGEST_LINE = 4000
Record = dict[str, Any]


class Printer:
    """Prints what happens in a sandbox. With `quiet`, it prints only the lines that are marked `always`."""

    def __init__(self, token: str, *, show_numbers: bool = False, as_json: bool = False, quiet: bool = False) -> None:
        self.token = token
        self.show_numbers = show_numbers
        self.as_json = as_json
        self.quiet = quiet
        self._codes = 0

    def number(self, number: str) -> str:
        """Return `number` as it is printed: masked, unless `show_numbers` is set."""
        return f"+{number}" if self.show_numbers else masked(number)

    def say(self, event: str, line: str, record: Mapping[str, Any] | None = None, *, always: bool = False) -> None:
        """Print an event, as the plain `line` or as the JSON of `record`."""
        if self.quiet and not always:
            return
        if self.as_json:
            line = json.dumps({"event": event, **(record or {"text": line})}, ensure_ascii=False)
        self._out(line.replace(self.token, "[token]"))

    def hint(self, line: str) -> None:
        """Print a line for people. It is left out of JSON, where `ready` has the same facts for programs."""
        if not self.as_json:
            self.say("hint", line)

    def ready(self, url: str, inbox: str, environment: Mapping[str, str]) -> None:
        """Print the line that says that the sandbox accepts requests.

        Only this line may contain the default token.
        """
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        record = {"event": "ready", "base_url": url, "inbox_url": inbox, "environment": dict(environment)}
        self._out(json.dumps(record) if self.as_json else f"READY {url} {settings}")

    def request(self, call: Call, answer: Answer, state: State) -> None:
        """Print a request and the answer to it."""
        if self.quiet:
            return
        record: Record = {"at": _clock(), "method": call.method, "path": call.path, **self._asked(call)}
        record |= self._answered(answer)
        if len(state.codes) > self._codes:
            code = next(reversed(state.codes.values()))
            record["code"] = code.code
            record["to"] = [self.number(code.to)]
            record["text"] = code.text
        self._codes = len(state.codes)
        self.say("request", _request_line(record), record)

    def push(self, push: Push) -> None:
        """Print a push to a webhook."""
        if self.quiet:
            return
        body = push.body or {}
        record: Record = {"at": _clock(), "kind": push.kind, "attempt": push.attempt, "answer": push.answer}
        if push.problem:
            record["problem"] = push.problem
        if push.kind == "report":
            record |= {
                "id": body.get("id"),
                "mobile": self.number(str(body.get("mobile"))),
                "status": body.get("status"),
            }
        what = f"{record['status']} {record['mobile']} {record['id']}" if push.kind == "report" else ""
        outcome = push.problem or f"{push.answer}{'' if push.acknowledged else ', not acknowledged'}"
        line = " ".join(filter(None, (record["at"], "push", push.kind, what, f"attempt {push.attempt} ->", outcome)))
        self.say("push", line, record)

    def _asked(self, call: Call) -> Record:
        try:
            fields = call.fields()
        except Refused:
            return {"text": "(a body that cannot be read)"}
        nodes = fields.get("nodes")
        root = fields.get("root")
        sources = [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else [fields]
        default = root if isinstance(root, dict) else {}
        numbers = [part.strip() for source in sources for part in str(source.get("to", "")).split(",") if part.strip()]
        texts = [str(source.get("message", default.get("message", ""))) for source in sources]
        record: Record = {"to": [self.number(number) for number in numbers]} if numbers else {}
        if any(texts):
            record["text"] = texts[0] if len(set(texts)) == 1 else texts
        sender = fields.get("sender") or default.get("sender")
        return {**record, "sender": str(sender)} if sender else record

    def _answered(self, answer: Answer) -> Record:
        record: Record = {"status": answer.status}
        if answer.delay:
            record["late"] = answer.delay
        if answer.cut != "no":
            record["cut"] = answer.cut
        body = answer.body
        if not isinstance(body, Mapping):
            return {**record, "body": f"{len(answer.payload()[0])} bytes, not a JSON object"}
        if body.get("message"):
            record["message"] = body["message"]
        rows = body.get("data")
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "mobile" in rows[0]:
            record["rows"] = [
                {"id": row["id"], "mobile": self.number(str(row["mobile"]).lstrip("+")), "status": row["status"]}
                for row in rows
            ]
        elif isinstance(body.get("status"), str):
            record["word"] = body["status"]
        return record

    def _out(self, line: str) -> None:
        shown = line if self.as_json or len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
        safe = "".join(
            char if char.isprintable() else json.dumps(char)[1:-1] for char in shown.replace("\x7f", "\\u007f")
        )
        try:
            print(safe, flush=True)  # noqa: T201 - printing is what this class is for
        except UnicodeEncodeError:
            print(safe.encode("ascii", "backslashreplace").decode(), flush=True)  # noqa: T201
        except BrokenPipeError:
            self.quiet = True
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the reader has gone


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _request_line(record: Record) -> str:
    parts = [record["at"], record["method"], record["path"]]
    numbers = record.get("to", [])
    if numbers:
        more = f" and {len(numbers) - MOST_ROWS} more" if len(numbers) > MOST_ROWS else ""
        parts.append(f"to {', '.join(numbers[:MOST_ROWS])}{more}")
    if "sender" in record:
        parts.append(f"from {record['sender']}")
    if "text" in record:
        parts.append(json.dumps(record["text"], ensure_ascii=False))
    if "code" in record:
        parts.append(f"code {record['code']}")
    parts.append(f"-> {record['status']}")
    parts += [str(record[name]) for name in ("message", "word", "body") if name in record]
    if "late" in record:
        parts.append(f"({record['late']:g} s late)")
    if "cut" in record:
        parts.append(f"(connection cut {record['cut']} the {'answer' if record['cut'] == 'before' else 'body'})")
    rows = record.get("rows", [])
    parts += [f"[{row['status']} {row['id']}]" for row in rows[:MOST_ROWS]]
    return "  ".join(parts)
