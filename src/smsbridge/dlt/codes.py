"""Explain DLT codes: from the codes of operators and vendors to a reason, and from a reason to advice.

Errors and reports carry these reasons. The meaning of a vendor's own codes is in the table of its provider
(``SmsProvider.reasons``), because published lists disagree; this module has only the operators' codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ADVICE: dict[str, str] = {
    "dlt": "ask the provider which part of the registration failed: entity, header or template",
    "dlt-entity": (
        "check the principal entity id, and on the DLT portal that the entity is active and linked to the provider"
    ),
    "dlt-header": "check on the DLT portal that the sender id is active, of this entity and linked to the template",
    "dlt-template": "compare the text with the registered template: smsbridge dlt match shows the first difference",
    "dlt-variable": "shorten or change the named value; it may have 30 characters, and its tag says which characters",
    "dlt-expired": "renew the template on the DLT portal, then put its new dates into the registry's file",
    "dlt-ambiguous": "give the template's id with the text (--dlt-template, or Message.dlt), or its sender id",
    "dlt-consent": "register the recipient's consent on the DLT portal, or send a template that needs no consent",
    "dlt-telemarketer": "have the chain from your entity to the provider (PE-TM binding) completed on the DLT portal",
    "dlt-link": "have the link or call-back number whitelisted on the DLT portal",
    "dlt-timeout": "the platform did not answer in time: send the text again later",
    "quiet-hours": "send promotional texts within the permitted hours, from 10:00 to 21:00 in India",
    "dnd": "do not send promotion to this number: it is on the do-not-disturb register",
}
"""The advice for each reason."""


def advice(reason: str | None) -> str | None:
    """Return the advice for ``reason``, such as ``dlt-template``; None if the reason is not about DLT."""
    return ADVICE.get(reason or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Hold the meaning of a DLT code: the code by which an operator or a vendor says why it refused a text.

    ``contested`` is the meaning in other published lists; None if all lists agree.
    """

    code: str
    reason: str
    words: str = ""
    contested: str | None = None

    @property
    def advice(self) -> str | None:
        """Return the advice for the reason that the code means; None if there is no advice for it."""
        return advice(self.reason)


def _operator(code: int, name: str, reason: str, contested: str | None = None) -> Meaning:
    return Meaning(code=str(code), reason=reason, words=name, contested=contested)


_CHAIN = "some lists have an older meaning: "

OPERATORS: dict[str, Meaning] = {
    # The 600 range, as smart5solutions.com, yourbulksms.com, smsgatewayhub.com, authkey.io, gulfnados.com and the
    # client of an operator's API print it (read in November 2026). Numbers that only one list has, or that all lists
    # call reserved, are left out.
    meaning.code: meaning
    for meaning in (
        _operator(600, "ENTITY_NOT_FOUND", "dlt-entity"),
        _operator(601, "ENTITY_NOT_REGISTERED", "dlt-entity"),
        _operator(602, "ENTITY_INACTIVE", "dlt-entity"),
        _operator(603, "ENTITY_BLACKLISTED", "dlt-entity"),
        _operator(604, "INVALID_ENTITY_ID", "dlt-entity"),
        _operator(605, "ENTITY_ID_NOT_ALLOWED_FOR_TM", "dlt-entity", _CHAIN + "reserved"),
        _operator(610, "TELEMARKETER_NOT_REGISTERED", "dlt-telemarketer"),
        _operator(611, "TELEMARKETER_INACTIVE", "dlt-telemarketer", _CHAIN + "invalid entity or header id"),
        _operator(612, "TELEMARKETER_BLACKLISTED", "dlt-telemarketer", _CHAIN + "invalid sender"),
        _operator(613, "TELEMARKETER_NOT_ALLOWED_FOR_ENTITY", "dlt-telemarketer", _CHAIN + "invalid template id"),
        _operator(614, "PE_TM_HASH_NOT_RECEIVED", "dlt-telemarketer", _CHAIN + "sender does not match the template"),
        _operator(615, "PE_TM_HASH_NOT_REGISTERED", "dlt-telemarketer", _CHAIN + "template or header invalid"),
        _operator(616, "PE_TM_HASH_INACTIVE", "dlt-telemarketer", _CHAIN + "invalid category"),
        _operator(617, "PE_TM_HASH_BLACKLISTED", "dlt-telemarketer", _CHAIN + "reserved"),
        _operator(618, "PE_TM_HASH_SUSPENDED", "dlt-telemarketer", _CHAIN + "reserved"),
        _operator(620, "HEADER_NOT_FOUND", "dlt-header"),
        _operator(621, "HEADER_INACTIVE", "dlt-header"),
        _operator(622, "HEADER_BLACKLISTED", "dlt-header"),
        _operator(623, "PEID_NOT_MATCHED_WITH_HEADER", "dlt-header"),
        _operator(630, "TEMPLATE_NOT_FOUND", "dlt-template"),
        _operator(631, "TEMPLATE_INACTIVE", "dlt-template"),
        _operator(632, "TEMPLATE_BLACKLISTED", "dlt-template"),
        _operator(633, "TEMPLATE_NOT_MATCHED", "dlt-template"),
        _operator(634, "HEADER_NOT_REGISTERED_FOR_TEMPLATE", "dlt-header"),
        _operator(635, "TEMPLATE_VARIABLE_EXCEEDED_MAX_LENGTH", "dlt-variable"),
        _operator(636, "ERROR_IDENTIFYING_TEMPLATE", "dlt-template"),
        _operator(637, "INVALID_TEMPLATE_ID", "dlt-template"),
        _operator(650, "PREFERENCE_NOT_MATCHED", "dlt-consent"),
        _operator(660, "CONSENT_FAILED", "dlt-consent"),
        _operator(670, "SCRUBBING_FAILED", "dlt"),
    )
}
"""Operators' codes. The words are the operators' names."""

_BY_NAME = {meaning.words: meaning for meaning in OPERATORS.values()}


def decode(code: str, reasons: Mapping[str, str] | None = None) -> Meaning | None:
    """Return the meaning of the DLT code ``code``, or None if it is unknown.

    The code is looked up in ``reasons``, the table of a provider's codes, and then among the operators' codes and
    names. An unknown number gets no meaning from known numbers near it.
    """
    word = code.strip().upper()
    if reasons is not None:
        mine = {known.upper(): reason for known, reason in reasons.items()}
        if word in mine:
            return Meaning(code=word, reason=mine[word])
    return OPERATORS.get(word) or _BY_NAME.get(word.replace("-", "_").replace(" ", "_"))
