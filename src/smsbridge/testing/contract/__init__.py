"""ProviderContract: the tests that every provider must pass, ours and yours.

A minimal plugin's test file, complete::

    from smsbridge.testing import ProviderContract, Refusal, dummy_secret

    class TestAcme(ProviderContract):
        provider_class = AcmeProvider
        settings = {"token": dummy_secret("token")}

        def accepts(self, message, id):
            return HttpResponse.of_json({"ok": True, "id": id})

        refusals = {
            "no credit": Refusal(answer=HttpResponse.of_json({"ok": False, "error": "no_credit"}), error=FundsError),
        }

Everything else that can be supplied is in ``smsbridge.testing.samples.Samples``. A capability that the provider declares
(because the method is implemented) and that has no sample fails; what does not apply is not collected.

A standard test cannot be overridden. Where a vendor makes one impossible, say so, and it becomes a strict xfail::

        expected_failures = {
            "test_a_changed_body_is_refused": "Acme proves itself with a shared token; nothing covers the body",
        }

The tests need no network, no loop and no time. They may be spread over processes (pytest-xdist).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .batches import Batches
from .declarations import Declarations
from .kit import Kit, applies
from .parity import Parity
from .queries import Queries
from .refusals import Refusals
from .secrecy import Secrecy
from .sends import Sends
from .unreadable import Unreadable
from .verifications import Verifications
from .webhooks import Webhooks


class ProviderContract(
    Declarations, Sends, Refusals, Unreadable, Batches, Queries, Verifications, Webhooks, Secrecy, Parity
):
    """Subclass it as ``TestYourProvider`` and supply samples; see the module, and ``samples.Samples``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse to weaken the contract: TypeError for an overridden test or an unknown name in expected_failures."""
        super().__init_subclass__(**kwargs)
        standard = _standard()
        for base in cls.__mro__:
            for name in standard.keys() & vars(base).keys():
                if base is cls or not issubclass(base, Kit):
                    raise TypeError(
                        f"{cls.__name__} overrides the standard test {name}. If the vendor makes it impossible, say why: "
                        f'expected_failures = {{"{name}": "..."}}'
                    )
        unknown = [name for name in cls.expected_failures if name.partition("[")[0] not in standard]
        if unknown:
            raise TypeError(f"{cls.__name__}.expected_failures names no standard test: {', '.join(sorted(unknown))}")
        if not all(isinstance(reason, str) and reason.strip() for reason in cls.expected_failures.values()):
            raise TypeError(f"{cls.__name__}.expected_failures: every expected failure needs its reason")
        if not hasattr(cls, "provider_class"):
            return  # a base of test classes
        for name, test in standard.items():
            # What does not apply is not collected: pytest passes over a name that is None.
            setattr(cls, name, test if applies(test, cls) else None)
        stale = [name for name in cls.expected_failures if getattr(cls, name.partition("[")[0]) is None]
        if stale:
            raise TypeError(
                f"{cls.__name__}.expected_failures: {', '.join(sorted(stale))} does not apply to this provider"
            )


def _standard() -> dict[str, Callable[..., None]]:
    return {name: getattr(ProviderContract, name) for name in dir(ProviderContract) if name.startswith("test_")}
