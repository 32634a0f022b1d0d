"""Opens the admin of the shop in a real browser, and takes a picture of each page.

::

    uv run --with playwright python tests/plugins/django_shop/look.py PICTURES

Needs Chromium on the path. The ledger is a SQLite file in a temporary folder, with texts of each state. Writes one PNG for
each page into the folder PICTURES. Ends with 1 if a page asks another host for anything, if the browser's console has a
warning or an error, or if a page does not show what it should.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest import mock

HERE = Path(__file__).parent
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
LIST = "/admin/smsbridge/text/"
HINDI = "आपका ऑर्डर 1 भेज दिया गया है। धन्यवाद!"
NAME, PASSWORD = "asha", "FAKE-PASSWORD"


def set_up(home: Path) -> None:
    """Set Django up with the settings of the shop. Its files, also the ledger, are in ``home``."""
    for name in [name for name in os.environ if name.startswith("SMSBRIDGE_")]:
        del os.environ[name]
    sys.path[:0] = [str(HERE), str(HERE.parent.parent)]  # the shop, and servers.py
    import shop

    os.environ |= {
        "SHOP_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "SMSBRIDGE_PROVIDER": "courier",
        "SMSBRIDGE_STORE": f"sqlite:///{home / 'sms.db'}",
        "SMSBRIDGE_COURIER_WEBHOOK_SECRET": shop.SECRET,
        "SMSBRIDGE_LEDGER_KEEP_TEXTS": "true",
        "SMSBRIDGE_LEDGER_KEEP_NUMBERS": "true",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def fill() -> None:
    """Write a superuser into the shop's database, and texts of each state with their reports into the ledger."""
    from django.contrib.auth.models import User
    from django.test import Client
    from shop import SECRET
    from shop.courier import Courier

    from smsbridge import Purpose, RefusedError, UncertainError
    from smsbridge_django import client

    def die_in_between(*_: object) -> None:
        os._exit(0)

    child = os.fork()
    if child == 0:  # a process that ends while it sends leaves an open text
        with mock.patch.object(Courier, "send", die_in_between):
            client().send("+919876543201", "Your order 0 has shipped", reference="order-0")
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    sms = client()
    sms.send("+919876543210", HINDI, reference="order-1", context={"order": "1"})
    sms.send("+919876543211", "Your order 2 has shipped", reference="order-2")
    sms.send("+919876543212", "Your code is 123456", reference="code-3", purpose=Purpose.OTP)
    sms.send("+14155550123", "Your order 4 has shipped", reference="order-4")
    for number, words in [(5, "lost"), (6, "lost"), (7, "refused")]:
        with suppress(RefusedError, UncertainError):
            sms.send(f"+91987654322{number}", words, reference=f"order-{number}")
    for reference, status in [
        ("order-1", "sent"),
        ("order-1", "delivered"),
        ("order-2", "sent"),
        ("order-4", "undelivered"),
    ]:
        body = [{"id": f"courier-{reference}", "status": status}]
        answer = Client().post("/sms/courier", body, content_type="application/json", headers={"x-secret": SECRET})
        assert answer.status_code == 200, answer
    User.objects.create_superuser(NAME, password=PASSWORD)


class Eyes:
    """A page of the browser at ``origin``; the pictures are numbered in the order in which they are taken."""

    def __init__(self, page, origin: str, pictures: Path) -> None:
        self.page, self.origin, self.pictures = page, origin, pictures
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.taken = 0
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("response", self._judge)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _judge(self, response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def _listen(self, line) -> None:
        # Chromium asks each host for an icon by itself, and the shop has none.
        if line.type in ("error", "warning") and line.location["url"] != f"{self.origin}/favicon.ico":
            self.complaints.append(f"{line.type}: {line.text}")

    async def open(self, path: str) -> None:
        await self.page.goto(self.origin + path, wait_until="networkidle")

    async def see(self, name: str, *, has: tuple[str, ...] = (), lacks: tuple[str, ...] = ()) -> None:
        """Take a picture, and check the page: its words, its requests, and the browser's console."""
        await self.page.wait_for_load_state("networkidle")
        self.taken += 1
        await self.page.screenshot(path=self.pictures / f"{self.taken:02}-{name}.png", full_page=True)
        words = await self.page.inner_text("body")
        assert not [word for word in has if word not in words], (name, "lacks", has, words)
        assert not [word for word in lacks if word in words], (name, "has", lacks, words)
        strangers = [url for url in self.requests if not url.startswith((self.origin + "/", "data:", "blob:"))]
        assert not strangers, (name, "asks other hosts", strangers)
        assert not self.complaints, (name, self.complaints)

    async def within(self, inner: str, outer: str) -> None:
        """Check that the element ``inner`` is not cut off at the right edge of the element ``outer``."""
        boxes = [await self.page.locator(selector).bounding_box() for selector in (inner, outer)]
        ends = [box["x"] + box["width"] for box in boxes]
        assert ends[0] <= ends[1], (inner, "is cut off", boxes)

    async def search(self, words: str) -> None:
        await self.open(LIST)
        await self.page.fill("#searchbar", words)
        await self.page.press("#searchbar", "Enter")

    async def act(self, action: str, *references: str) -> None:
        """Choose an action for the texts with these references, and press Go."""
        await self.open(LIST)
        for reference in references:
            await self.page.check(f"tr:has(th a:text-is('{reference}')) input.action-select")
        await self.page.select_option("select[name=action]", action)
        await self.page.click("button[name=index]")


async def walk(origin: str, pictures: Path) -> int:
    """Walk through the admin as a superuser. Returns the number of pictures."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(10_000)
        eyes = Eyes(page, origin, pictures)
        await eyes.open("/admin/")
        await page.fill("#id_username", NAME)
        await page.fill("#id_password", PASSWORD)
        await page.click("input[type=submit]")
        await eyes.see("home", has=("SMS", "Texts"))
        await eyes.open(LIST)
        states = ("accepted", "uncertain", "open", "refused", "delivered", "undelivered")
        await eyes.see("list", has=(*states, "+91******3210", "0.12 INR"), lacks=("+919876543210", HINDI))
        await eyes.within("th.column-age", ".results")
        await page.click("text=Show counts")
        await eyes.see("list-with-counts", has=("accepted (4)", "delivered (1)", "otp (1)", "hour (8)"))
        await eyes.search("order-1")
        await eyes.see("search-by-reference", has=("order-1", "1 result"), lacks=("order-2",))
        await eyes.search("3210")
        await eyes.see("search-by-last-digits", has=("order-1", "1 result"), lacks=("order-2",))
        await page.click("th >> text=order-1")
        await eyes.see("text", has=(HINDI, "+919876543210", "sent · courier", "delivered (final) · courier"))
        await eyes.act("settle_as_refused", "order-5")
        await eyes.see("settle", has=("Settle as refused?", "order-5", "uncertain"), lacks=("order-6",))
        await page.click("text=No, go back")
        await eyes.see("gone-back", lacks=("1 refused",))
        await eyes.act("settle_as_accepted", "order-0", "order-5", "order-1")
        await eyes.see("settle-several", has=("Settle as accepted?", "order-0", "order-5"), lacks=("order-1",))
        await page.click("input[name=confirmed]")
        await eyes.see("settled", has=("2 accepted",))
        await eyes.act("ask_the_vendor", "order-2", "order-7")
        await eyes.see("asked", has=("1 came further", "1 not asked about"))
        await page.click("th >> text=order-0")
        await eyes.see("settled-text", has=("none",))
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.emulate_media(color_scheme="dark")
        await eyes.open(LIST)
        await eyes.see("list-on-a-phone", has=("order-1",))
        await eyes.search("order-1")
        await page.click("th >> text=order-1")
        await eyes.see("text-on-a-phone", has=(HINDI,))
        await eyes.act("settle_as_refused", "order-6")
        await eyes.see("settle-on-a-phone", has=("order-6",))
        await browser.close()
    return eyes.taken


def main() -> int:
    if len(sys.argv) != 2:
        print("give a folder for the pictures", file=sys.stderr)  # noqa: T201
        return 2
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shop-") as home:
        set_up(Path(home))
        fill()
        from django.contrib.staticfiles.handlers import StaticFilesHandler
        from django.core.wsgi import get_wsgi_application

        from servers import wsgiref_serves

        with wsgiref_serves(StaticFilesHandler(get_wsgi_application())) as port:
            taken = asyncio.run(walk(f"http://127.0.0.1:{port}", pictures))
    print(f"{taken} pictures in {pictures}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
