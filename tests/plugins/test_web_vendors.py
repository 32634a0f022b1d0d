"""Each vendor's own signature through each mount: its route believes it, no other route does, and every policy learns of it."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from mounts import fastapi, flask, wsgi
from servers import wsgiref_serves
from signed import OURS, PERSON, VENDORS
from smsbridge import OptedOutError, Plugins, Settings, SmsClient, hookimpl, web
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy

PUBLIC = "https://app.example/prefix"


class Seen(list):
    @hookimpl
    def smsbridge_event(self, account, provider, event):
        self.append((account, provider, event.text))


def call(port, webhook, path=None):
    """Bring ``webhook`` as the proxy does: without the host and the prefix that its signature covers."""
    parts = urlsplit(webhook.url)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path or parts.path.removeprefix("/prefix"), webhook.body, dict(webhook.headers))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize("mount", [fastapi, wsgi, flask], ids=lambda mount: mount.__name__)
@pytest.mark.parametrize("name", VENDORS)
def test_a_route_believes_its_vendor_alone_and_all_policies_learn_of_it(name, mount):
    accounts = [make(account=account, sender=f"+{OURS}") for account, (_, make) in VENDORS.items()]
    policy = OptoutPolicy(inner=FailoverPolicy(accounts=accounts, account="all"))
    seen, settings = Seen(), Settings(public_url=PUBLIC)
    by, _ = VENDORS[name]
    with mount(lambda kind: kind(policy, settings=settings, plugins=Plugins(seen))) as port:
        stop = by("STOP", 1, url=f"{PUBLIC}/sms/{name}")
        elsewhere = {account: call(port, stop, f"/sms/{account}") for account in VENDORS if account != name}
        assert seen == []
        assert 200 <= call(port, stop) < 300
    assert seen == [(name, name, "STOP")]
    assert set(elsewhere.values()) <= {400, 401, 503}, elsewhere
    with SmsClient(policy, plugins=Plugins()) as sms, pytest.raises(OptedOutError):
        sms.send(f"+{PERSON}", "Hello")


@pytest.mark.parametrize("name", VENDORS)
def test_a_webhook_that_was_changed_on_the_way_is_refused(name):
    by, make = VENDORS[name]
    seen = Seen()
    client = SmsClient(make(), settings=Settings(public_url=PUBLIC), plugins=Plugins(seen))
    with wsgiref_serves(web.wsgi(client)) as port:
        genuine = by("Hello", 1, url=f"{PUBLIC}/{name}")
        if name != "twincle":  # its proof is a shared secret
            from dataclasses import replace

            assert call(port, replace(genuine, body=genuine.body.replace(b"Hello", b"Hullo"))) == 401
        assert 200 <= call(port, genuine) < 300
    assert seen == [(name, name, "Hello")]
