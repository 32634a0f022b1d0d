"""PolicyContract: the tests that every policy must pass, ours and yours.

A policy's test file, complete::

    from smsbridge import Message
    from smsbridge.testing import PolicyContract

    class TestCalm(PolicyContract):
        refuses = {"capitals": Message(to="+919876543210", text="BUY NOW")}

        def make(self, inner):
            return CalmPolicy(inner=inner)

``make`` puts the policy around a vendor of the kit. ``smsbridge.testing.policy.kit.PolicySamples`` lists all other
samples: a text that the policy lets through (``sample``, or ``message(n)`` if each text must differ), and texts that it
``refuses``. Let ``make`` set scarce limits, such as a single place for each text of a batch: then the tests find a
place that is not given back.

For a policy that remembers texts, supply pairs. The policy refuses the second text because of the first::

        refuses_after = {
            "too soon": (
                Message(to="+919876543210", text="Our sale begins"),
                Message(to="+919876543210", text="Our sale ends"),
            ),
        }

The policy must refuse the second text if the first was accepted or may have arrived, and let it through otherwise.

The kit interrupts a send at each of its steps, in both clients, alone and in a batch, and compares the outcomes with
the texts that the vendor took. It compares batches with single texts, foresight with sending, and rehearsals with a
fresh start.

A standard test cannot be overridden. If the purpose of a policy contradicts a test, name the test with the reason, and
it becomes a strict xfail::

        expected_failures = {
            "test_what_the_vendor_says_is_passed_on[unanswered-text]": "Calm looks the text up, and finds it",
        }

The tests need no network and do not sleep. Each test has its own working directory for files.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

from smsbridge.testing.standard import refuse_weaker, tests_of

from .declarations import Declarations
from .foresight import Foreseeing
from .interruptions import Interruptions
from .kit import Kit
from .memory import Memory
from .outcomes import Outcomes
from .rehearsals import Rehearsals
from .secrecy import Secrecy


class PolicyContract(Declarations, Outcomes, Memory, Interruptions, Foreseeing, Secrecy, Rehearsals):
    """Test a policy against the contract of smsbridge. Subclass it as ``TestYourPolicy`` and override ``make``.

    All samples that you can override are in ``smsbridge.testing.policy.kit.PolicySamples``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse to weaken the contract: TypeError for an overridden test or an unknown name in expected_failures."""
        super().__init_subclass__(**kwargs)
        standard = tests_of(PolicyContract)
        refuse_weaker(cls, standard, kit=Kit, who="policy")
        # pytest does not collect a name that is None.
        applies = {"refused": cls.refuses, "after": cls.refuses_after}
        for name, test in standard.items():
            samples = [applies[case] for case in signature(test).parameters if case in applies]
            if samples:
                setattr(cls, name, test if any(samples) else None)
