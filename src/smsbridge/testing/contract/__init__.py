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

``smsbridge.testing.samples.Samples`` lists all other samples. A provider declares a capability by implementing its
method; a declared capability without a sample fails. A test that does not apply to the provider is not collected.

A standard test cannot be overridden. Where a vendor makes a test impossible, name it with the reason, and it becomes a
strict xfail::

        expected_failures = {
            "test_a_refusal_inside_a_2xx_body_is_sampled": "Acme always says no by HTTP status",
        }

Common differences between vendors have their own attributes: ``proof_covers``, ``id_is_reference``, ``collect``.

The tests need no network and no event loop, and they do not sleep. They may be spread over processes (pytest-xdist).
"""

from __future__ import annotations

from typing import Any

from smsbridge.testing.samples import PROOFS
from smsbridge.testing.standard import refuse_weaker, tests_of

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
    """Test a provider against the contract of smsbridge. Subclass it as ``TestYourProvider`` and supply samples.

    The samples are the attributes and methods of ``smsbridge.testing.samples.Samples``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse to weaken the contract: TypeError for an overridden test or an unknown name in expected_failures."""
        super().__init_subclass__(**kwargs)
        standard = tests_of(ProviderContract)
        refuse_weaker(cls, standard, kit=Kit, who="vendor")
        if cls.proof_covers not in PROOFS:
            raise TypeError(f"{cls.__name__}.proof_covers must be one of: {', '.join(PROOFS)}")
        if not hasattr(cls, "provider_class"):
            return  # a base of test classes
        wanted = _wanted(cls)
        for name, test in standard.items():
            # pytest does not collect a name that is None.
            setattr(cls, name, test if name in wanted and applies(test, cls) else None)
        named = wanted & {name.partition("[")[0] for name in cls.expected_failures}
        stale = [name for name in named if getattr(cls, name) is None]
        if stale:
            names = ", ".join(sorted(stale))
            raise TypeError(f"{cls.__name__}.expected_failures: {names} does not apply to this provider: remove it")


GROUPS = {group.__name__.lower(): group for group in ProviderContract.__bases__}


def _wanted(cls: type[ProviderContract]) -> set[str]:
    """The tests of the groups that ``cls`` collects."""
    unknown = set(cls.collect) - set(GROUPS)
    if unknown:
        raise TypeError(f"{cls.__name__}.collect names no group of tests: {', '.join(sorted(unknown))}")
    above = [base for base in cls.__mro__[1:] if getattr(base, "provider_class", None) is cls.provider_class]
    if cls.collect and all(getattr(base, "collect", ()) for base in above):
        raise TypeError(
            f"{cls.__name__}.collect leaves tests out: make it a subclass of a class that collects all of them for "
            f"{cls.provider_class.__name__}"
        )
    return {name for group in cls.collect or GROUPS for name in vars(GROUPS[group]) if name.startswith("test_")}
