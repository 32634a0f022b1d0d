"""The command smsbridge-twincle-sandbox."""

from __future__ import annotations

import argparse
import errno
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import magic
from .answers import DISCLAIMER
from .extra import MissingExtraError, load
from .printing import Printer

if TYPE_CHECKING:
    from .app import SandboxApp

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - printed on purpose: it opens nothing
HOUR = 3600.0

EXAMPLES = """\
examples:
  smsbridge-twincle-sandbox
  smsbridge-twincle-sandbox --port 0 --epoch E3 --json
  smsbridge-twincle-sandbox --webhook http://127.0.0.1:8000/sms/twincle --webhook-secret test-secret
  smsbridge-twincle-sandbox --webhook http://127.0.0.1:8000/sms/twincle --inbound 919876543210 STOP

then, in another shell, set the variables that it printed and send:
  smsbridge send +919876543210 "hello"

the texts that a phone got, as JSON, newest last (also since=TIME, limit=N; no token):
  curl "http://127.0.0.1:8025/inbox?to=919876543210"

a text from a phone to your webhook, with --webhook:
  curl -d from=919876543210 -d text=STOP http://127.0.0.1:8025/inbound

magic numbers, +91 90000 000NN; any other number is accepted and ends DELIVRD:
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command-line options of the sandbox."""
    out = argparse.ArgumentParser(
        prog="smsbridge-twincle-sandbox",
        description=f"A local stand-in for the Twincle SMS API, {DISCLAIMER}. It sends nothing and costs nothing.",
        epilog=EXAMPLES + magic.table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out.add_argument("--host", type=_loopback, default="127.0.0.1", help="loopback only (default: %(default)s)")
    out.add_argument("--port", type=_port, default=8025, help="0 for any free port (default: %(default)s)")
    out.add_argument("--token", default=DEFAULT_TOKEN, help="the access token to expect (default: %(default)s)")
    out.add_argument(
        "--epoch",
        choices=("E1", "E2", "E3"),
        default="E2",
        help="documentation epoch to imitate: 2018, 2021 or 2022 (default: %(default)s)",
    )
    out.add_argument("--webhook", metavar="URL", help="push delivery reports and incoming texts to this loopback URL")
    out.add_argument("--webhook-secret", metavar="SECRET", default="", help="Bearer secret of the pushes")
    out.add_argument(
        "--inbound",
        nargs=2,
        metavar=("NUMBER", "TEXT"),
        action="append",
        default=[],
        help="at the start, push a text from this phone to the webhook; may be repeated",
    )
    out.add_argument(
        "--report-delay",
        type=_seconds,
        metavar="SECONDS",
        default=2.0,
        help="time until a text gets its final status (default: %(default)s)",
    )
    out.add_argument(
        "--retry-interval",
        type=_seconds,
        metavar="SECONDS",
        default=5.0,
        help="time between the 3 repeats of an unacknowledged report; documented: 1800 (default: %(default)s)",
    )
    out.add_argument(
        "--balance",
        type=_count,
        metavar="CREDITS",
        default=1000,
        help="credits per service; a part costs a credit (default: %(default)s)",
    )
    out.add_argument(
        "--slow",
        type=_seconds,
        metavar="SECONDS",
        default=30.0,
        help="delay of the number that answers late (default: %(default)s)",
    )
    out.add_argument("--shuffle", action="store_true", help="answer the rows of a request in random order")
    out.add_argument(
        "--pull-limit",
        type=_count,
        metavar="N",
        default=1000,
        help="pulls a minute before HTTP 429, 0 for no limit (default: %(default)s)",
    )
    out.add_argument("--show-numbers", action="store_true", help="print phone numbers in full instead of masked")
    out.add_argument("--json", action="store_true", help="print JSON lines")
    out.add_argument("--quiet", action="store_true", help="print the READY line only")
    out.add_argument(
        "--stop-after",
        type=_seconds,
        metavar="SECONDS",
        default=HOUR,
        help="end after this time without a request (default: %(default)s)",
    )
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox command with `arguments`; None: with the arguments of the process.

    Returns the exit code: 0 after a normal end, 130 after Ctrl-C, 1 for a problem, 2 for wrong usage.
    """
    options = parser().parse_args(arguments)
    if not options.token:
        return _problem("the token must not be empty; any word will do")
    printer = Printer(options.token, show_numbers=options.show_numbers, as_json=options.json, quiet=options.quiet)
    try:
        return _run(options, printer)
    except MissingExtraError as error:
        return _problem(str(error))
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, printer: Printer) -> int:
    serve, create_app = load("serve"), load("create_app")
    from . import incoming, server

    if words := _wrong_pushes(options):
        return _problem(words)
    app: SandboxApp = create_app(
        token=options.token,
        epoch=options.epoch,
        balance=options.balance,
        report_delay=options.report_delay,
        retry_interval=options.retry_interval,
        slow=options.slow,
        shuffle=options.shuffle,
        pull_limit=options.pull_limit,
    )
    app.watcher = printer
    try:
        sock = server.listen(options.host, options.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _problem(
                f"port {options.port} is in use; choose another with --port, or any free port with --port 0"
            )
        return _problem(f"cannot listen on {options.host} port {options.port}: {error.strerror}")
    webhook = app.state.add_webhook(options.webhook, options.webhook_secret) if options.webhook else None
    where = options.host, sock.getsockname()[1]
    url, inbox = server.base_url(*where), server.inbox_url(*where)

    def ready() -> None:
        shown = options.token if options.token == DEFAULT_TOKEN else "(the token you gave)"
        printer.say("banner", f"Twincle SMS sandbox, {DISCLAIMER}. It sends nothing. Ctrl-C ends it.")
        printer.hint(f"the texts that a phone got, as JSON: {inbox}?to=919876543210")
        if webhook:
            printer.say("banner", f"reports go to your webhook; its id is {webhook.id}")
            send = server.inbound_url(*where)
            printer.hint(f"a text from a phone to your webhook: curl -d from=919876543210 -d text=STOP {send}")
        printer.ready(url, inbox, server.environment(url, shown))
        if webhook:
            for number, text in options.inbound:
                app.pusher.inbound_soon(webhook, incoming.digits(number) or number, text)

    if serve(app, sock, ready, options.stop_after):
        printer.say("end", f"no request for {options.stop_after:g} s: ended by itself")
        return 0
    return 130


def _wrong_pushes(options: argparse.Namespace) -> str | None:
    """What is wrong with the options of pushes; None if nothing is."""
    from . import incoming, sending

    if options.webhook and not sending.is_loopback(options.webhook):
        return "the sandbox pushes to loopback only, such as http://127.0.0.1:8000/sms/reports"
    if options.inbound and not options.webhook:
        return "--inbound needs --webhook, the URL that gets the text"
    for number, _ in options.inbound:
        if incoming.digits(number) is None:
            return f"--inbound needs a phone number with country code, such as 919876543210, not {number!r}"
    return None


def _problem(message: str) -> int:
    print(f"smsbridge-twincle-sandbox: {message}", file=sys.stderr)  # noqa: T201
    return 1


def _loopback(value: str) -> str:
    if not re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", value):
        raise argparse.ArgumentTypeError("a test server listens on loopback only: 127.0.0.1, ::1 or localhost")
    return value


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError("a port must be a number from 0 to 65535")
    return int(value)


def _count(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError("must be a whole number that is not negative")
    return int(value)


def _seconds(value: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise argparse.ArgumentTypeError("must be a number of seconds that is not negative")
    return float(value)
