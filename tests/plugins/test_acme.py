"""A third party's plugin, as its author and its users install it: built wheels in an empty environment.

That Acme keeps the contract is proven by its own tests in ``tests/acme``; here the same tests run from the wheels.
"""

import shutil
from pathlib import Path

import pytest

from smsbridge.groups import NO_VENDORS
from wheels import Environment

ROOT = Path(__file__).parents[2]
ACME = ROOT / "tests" / "acme"
PLUGINS = {path.name: path for path in sorted((ROOT / "plugins").iterdir()) if (path / "pyproject.toml").exists()}
BROKEN = {
    "broken_neighbour.py": "raise ImportError('a library that is not there')",
    "smsbridge_broken-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: smsbridge-broken\nVersion: 1.0\n",
    "smsbridge_broken-1.0.dist-info/entry_points.txt": "[smsbridge]\nbroken = broken_neighbour\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    environment = Environment(tmp_path_factory.mktemp("wheels"), ROOT, ACME, *PLUGINS.values())
    environment.install("smsbridge")
    return environment


@pytest.fixture(scope="module")
def with_acme(environment):
    """An environment with Acme, and with a plugin that cannot be imported."""
    environment.install("smsbridge", "smsbridge_acme")
    packages = Path(environment.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
    for name, text in BROKEN.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text)
    return environment


def test_the_core_alone_sends_through_console(environment):
    assert environment.python("import smsbridge; print(*smsbridge.Plugins().names())") == "console file http memory"
    printed = environment.python("import smsbridge; smsbridge.send('+91 98765 43210', 'Hello from the core')")
    assert "Hello from the core" in printed
    assert "+91******3210" in printed
    extras = "from importlib.util import find_spec; print([name for name in ('click', 'pytest') if find_spec(name)])"
    assert environment.python(extras) == "[]"


def test_an_installed_plugin_is_found_beside_a_broken_neighbour(with_acme):
    code = "import smsbridge; plugins = smsbridge.Plugins(); print(*plugins.names(), plugins.origin('acme'))"
    assert with_acme.python(code) == "acme broken console file http memory smsbridge-acme 1.0"
    code = "import smsbridge; print(smsbridge.SmsClient().provider.capabilities == {'batch', 'status', 'webhooks'})"
    assert with_acme.python(code, SMSBRIDGE_PROVIDER="acme", SMSBRIDGE_ACME_TOKEN="dummy") == "True"
    assert "Hello" in with_acme.python("import smsbridge; smsbridge.send('+919876543210', 'Hello')")


def test_who_asks_for_the_broken_neighbour_is_told_which_plugin_it_is(with_acme):
    code = """
import smsbridge
try:
    smsbridge.SmsClient("broken")
except smsbridge.ConfigurationError as error:
    print(error)
"""
    assert "smsbridge-broken 1.0" in with_acme.python(code)


@pytest.fixture(scope="module")
def with_night(environment):
    """An environment with Acme, its policy and its command, and with the command line."""
    environment.install("smsbridge[cli]", "smsbridge_acme")
    return environment


EXPLAINED = """
import smsbridge
try:
    smsbridge.SmsClient()
except smsbridge.ConfigurationError as error:
    print(error)
"""
TRY = "import smsbridge; result = smsbridge.try_send('+919876543210', 'Hello'); print(result.error and result.error.reason)"


def test_a_policy_of_a_third_party_stands_where_its_place_says(with_night):
    assert with_night.python(TRY).splitlines()[-1] == "None"
    assert with_night.python(TRY, SMSBRIDGE_NIGHT_QUIET="yes").splitlines()[-1] == "night"
    assert with_night.python(TRY, SMSBRIDGE_CONSOLE_NIGHT_QUIET="yes").splitlines()[-1] == "night"
    code = "import smsbridge; from smsbridge.composite import each; print(*(layer.name for layer in each(smsbridge.SmsClient('acme').provider)))"
    settings = {"SMSBRIDGE_ACME_TOKEN": "dummy", "SMSBRIDGE_GUARD_TOTAL": "9/1h", "SMSBRIDGE_LIMIT_SENDS": "9/1s"}
    assert with_night.python(code, SMSBRIDGE_NIGHT_QUIET="no", **settings) == "guard retry night limit acme"
    assert with_night.python(code, **settings) == "guard retry limit acme"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("NIGHT_QUIT", "no", "nothing reads SMSBRIDGE_NIGHT_QUIT: did you mean SMSBRIDGE_NIGHT_QUIET?"),
        ("NIGT_QUIET", "no", "nothing reads SMSBRIDGE_NIGT_QUIET: did you mean SMSBRIDGE_NIGHT_QUIET?"),
        ("NIGHT_QUIET", "perhaps", "SMSBRIDGE_NIGHT_QUIET is wrong"),
    ],
)
def test_a_misspelt_and_a_wrong_setting_of_it_are_explained(with_night, variable, value, words):
    assert words in with_night.python(EXPLAINED, **{f"SMSBRIDGE_{variable}": value})


def test_the_commands_of_the_core_show_it_and_its_own_runs(with_night):
    quiet = {"SMSBRIDGE_NIGHT_QUIET": "yes"}
    assert "it is night, so all but one-time codes are refused" in with_night.command("doctor", **quiet)
    assert "night" in with_night.command("explain", "+919876543210", fails=True, **quiet)
    assert "people sleep" in with_night.command("send", "--dry-run", "+919876543210", "Hello", fails=True, **quiet)
    assert "SMSBRIDGE_NIGHT_QUIET" in with_night.command("providers", "night")
    assert "night  from smsbridge-acme 1.0" in with_night.command("--help")
    assert with_night.command("night", **quiet) == "it is night"
    assert with_night.command("night", "--json").split() == ["{", '"night":', "false", "}"]


TWICE = """
import smsbridge
for _ in range(2):
    result = smsbridge.try_send("+919876543210", "Hello", reference="order-17")
    print("again" if result.sent and result.sent.repeated else result.error or "sent")
"""


def test_a_store_of_a_third_party_keeps_what_ours_keeps(with_night):
    assert with_night.python(TWICE).splitlines()[-1] == "sent"
    assert with_night.python(TWICE, SMSBRIDGE_STORE="drawer:desk").splitlines()[-1] == "again"
    assert "ledger" in with_night.command("doctor", SMSBRIDGE_STORE="drawer:desk")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("drawr:desk", "there is no store 'drawr'; known: drawer, memory, sqlite; did you mean 'drawer'?"),
        ("drawer:", "name the drawer, as in drawer:desk"),
        ("desk", "this is no URL of a store"),
    ],
)
def test_a_wrong_store_is_explained(with_night, url, words):
    said = with_night.python(EXPLAINED, SMSBRIDGE_STORE=url)
    assert "SMSBRIDGE_STORE" in said
    assert words in said


def test_each_of_our_plugins_comes_as_a_wheel(with_acme):
    with_acme.install("smsbridge", *(f"smsbridge_{name}" for name in PLUGINS))
    vendors = [name for name in PLUGINS if name not in NO_VENDORS]
    code = "import smsbridge; print(*(smsbridge.Plugins().provider_class(name).name for name in {!r}))"
    assert with_acme.python(code.format(vendors)).split() == vendors


def test_one_plugin_does_not_import_another(with_acme):
    code = """
import sys, smsbridge
smsbridge.Plugins().provider_class("twilio")
print([name for name in sys.modules if name.startswith("smsbridge_") and not name.startswith("smsbridge_twilio")])
"""
    assert with_acme.python(code) == "[]"


def test_the_kit_of_the_wheel_passes_acme(with_acme):
    with_acme.install("smsbridge[testing]", "smsbridge_acme")
    shutil.copy(ACME / "tests" / "test_contract.py", with_acme.work)
    run = with_acme.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract.py")
    assert "passed" in run
    assert "failed" not in run
    assert "sms_outbox" in with_acme.run("-m", "pytest", "--fixtures", "-q", "-p", "no:cacheprovider")
