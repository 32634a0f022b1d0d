"""Checks in a real browser that the built site makes no request to another host, also when it is searched.

::

    uv run --group docs zensical build
    uv run --with playwright python tests/site_requests.py

Needs Chromium on the path. Ends with 1 if a page asks another host for anything, or cannot be opened.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).parent.parent / "site"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""


async def asked(origin: str, pages: list[str]) -> tuple[int, list[str]]:
    """The number of requests that the pages make, and the requests to other hosts."""
    from playwright.async_api import async_playwright

    requests: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        page = await browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        for path in pages:
            await page.goto(f"{origin}/{path}", wait_until="networkidle")
        await page.keyboard.press("/")  # opens the search and loads its index
        await page.wait_for_timeout(1000)
        await browser.close()
    return len(requests), [url for url in requests if not url.startswith((origin, "data:", "blob:"))]


def main() -> int:
    pages = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        count, strangers = asyncio.run(asked(f"http://127.0.0.1:{server.server_port}", pages))
        server.shutdown()
    print(f"{len(pages)} pages, {count} requests, {len(strangers)} to other hosts", *strangers, sep="\n")  # noqa: T201
    return 1 if strangers or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
