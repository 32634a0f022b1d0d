"""The files that get mutants, and the tests that should find them."""

POLICY = ["tests/test_policies_stack.py", "tests/test_policies_gate.py", "tests/test_validity.py"]
SENDING = ["tests/test_sending.py", "tests/test_client.py", "tests/test_errors.py"]
STOPS = ["tests/test_stop_words.py", "tests/test_optouts.py", "tests/test_policies_optout.py", "tests/test_own_file.py"]
NUMBERS = ["tests/test_phone.py", "tests/test_written.py", "tests/test_numbering.py", "tests/test_normalizing.py"]
MANY = ["tests/test_send_many.py", "tests/test_send_many_ends.py", "tests/test_closing.py"]
WIRE = ["tests/wire/test_over_httpx.py"]
LEDGER = [
    "tests/test_policies_entries.py",
    "tests/test_policies_ledger.py",
    "tests/test_promise.py",
    "tests/test_writer.py",
    "tests/test_own_file.py",
    "tests/test_forks.py",
    "tests/test_rehearsals.py",
]
VENDORS = ["tests/plugins/test_twilio.py", "tests/plugins/test_twincle.py", "tests/plugins/test_vonage_webhooks.py"]

TARGETS = {
    "src/smsbridge/attempts.py": [
        "tests/test_attempts.py",
        *SENDING,
        "tests/test_foresight.py",
        "tests/test_leaks.py",
        "tests/test_policies_retry.py",
    ],
    "src/smsbridge/base_client.py": [*SENDING, "tests/test_deadline.py", "tests/test_outbox.py", *MANY],
    "src/smsbridge/wire/body.py": ["tests/wire/test_body.py", *WIRE],
    "src/smsbridge/wire/channel.py": ["tests/wire/test_channel.py", *WIRE, "tests/test_torture.py"],
    "src/smsbridge/client.py": [*SENDING, "tests/test_deadline.py", "tests/test_settings.py", *MANY],
    "src/smsbridge/decoding.py": ["tests/test_quoting.py", "tests/test_leaks.py"],
    "src/smsbridge/web/core.py": ["tests/test_web.py", "tests/test_cli_webhooks.py"],
    "src/smsbridge/wire/dialing.py": ["tests/wire/test_dialing.py", *WIRE],
    "src/smsbridge/flow.py": [
        "tests/test_http.py",
        *SENDING,
        "tests/test_rehearsals.py",
        "tests/test_policies_limit.py",
    ],
    "src/smsbridge/wire/heads.py": ["tests/wire/test_heads.py", *WIRE],
    "src/smsbridge/many.py": MANY,
    "src/smsbridge/wire/network.py": [*WIRE, "tests/test_torture.py"],
    "src/smsbridge/numbering.py": NUMBERS,
    "src/smsbridge/optouts/__init__.py": STOPS,
    "src/smsbridge/wire/outgoing.py": ["tests/wire/test_outgoing.py", *WIRE],
    "src/smsbridge/phone.py": [*NUMBERS, "tests/test_leaks.py"],
    "src/smsbridge/privacy.py": ["tests/test_leaks.py", "tests/test_quoting.py", *SENDING],
    "src/smsbridge/quoting.py": ["tests/test_quoting.py", "tests/test_leaks.py"],
    "src/smsbridge/receiving.py": [
        "tests/test_receiving.py",
        "tests/test_webhook_body.py",
        "tests/test_outbox_webhooks.py",
    ],
    "src/smsbridge/sending.py": [*SENDING, "tests/test_hooks.py", *MANY],
    "src/smsbridge/optouts/stop_words.py": STOPS,
    "src/smsbridge/told.py": [*SENDING, "tests/test_hooks.py", *MANY],
    "src/smsbridge/wire/httpx_line.py": [
        "tests/wire/test_httpx_line.py",
        *WIRE,
        "tests/test_guards.py",
        "tests/test_torture.py",
    ],
    "src/smsbridge/wire/over_httpx.py": [*WIRE, "tests/test_guards.py", "tests/test_torture.py"],
    "src/smsbridge/verdicts.py": [
        "tests/test_attempts.py",
        *SENDING,
        "tests/test_leaks.py",
        "tests/test_deadline.py",
        "tests/test_policies_limit.py",
        "tests/test_policies_retry.py",
    ],
    "src/smsbridge/waiting.py": ["tests/test_deadline.py", "tests/test_promise.py", "tests/test_client.py"],
    "src/smsbridge/written.py": NUMBERS,
    "src/smsbridge/policies/batch.py": [
        "tests/test_policies_batch.py",
        "tests/test_policies_retry.py",
        "tests/test_policies_failover.py",
        "tests/test_policies_limit.py",
        *POLICY,
    ],
    "src/smsbridge/policies/breaker.py": ["tests/test_policies_breaker.py", "tests/test_policies_failover.py"],
    "src/smsbridge/stores/caps.py": [
        "tests/test_policies_guard.py",
        "tests/test_forks.py",
        "tests/test_interruptions.py",
    ],
    "src/smsbridge/stores/entries.py": [
        "tests/test_digests.py",
        "tests/test_message_fields.py",
        *LEDGER,
        "tests/test_cli_texts.py",
    ],
    "src/smsbridge/policies/failover.py": [
        "tests/test_policies_failover.py",
        "tests/test_policies_optout.py",
        "tests/test_rehearsals.py",
        "tests/test_policies_records.py",
        "tests/test_foresight.py",
        *POLICY,
    ],
    "src/smsbridge/policies/gate.py": [
        "tests/test_policies_gate.py",
        "tests/test_policies_guard.py",
        "tests/test_foresight.py",
        "tests/test_interruptions.py",
        *POLICY,
    ],
    "src/smsbridge/stores/gcra.py": ["tests/test_policies_gcra.py", "tests/test_policies_limit.py"],
    "src/smsbridge/guard/policy.py": [
        "tests/test_policies_guard.py",
        "tests/test_foresight.py",
        "tests/test_rehearsals.py",
        *POLICY,
    ],
    "src/smsbridge/ledger/policy.py": [*LEDGER, "tests/test_foresight.py", "tests/test_snapshot.py", *POLICY],
    "src/smsbridge/policies/limit.py": [
        "tests/test_policies_limit.py",
        "tests/test_foresight.py",
        "tests/test_rehearsals.py",
        *POLICY,
    ],
    "src/smsbridge/optouts/policy.py": [
        *STOPS,
        "tests/test_foresight.py",
        "tests/test_rehearsals.py",
        "tests/test_snapshot.py",
        *POLICY,
    ],
    "src/smsbridge/policies/outcomes.py": [
        "tests/test_policies_outcomes.py",
        "tests/test_policies_failover.py",
        "tests/test_policies_retry.py",
    ],
    "src/smsbridge/policies/records.py": ["tests/test_policies_records.py"],
    "src/smsbridge/policies/retry.py": [
        "tests/test_policies_retry.py",
        "tests/test_policies_records.py",
        "tests/test_foresight.py",
        *POLICY,
    ],
    "src/smsbridge/stores/sqlite.py": [*LEDGER, "tests/test_cli_texts.py"],
    "src/smsbridge/stores/writer.py": [*LEDGER, "tests/test_closing.py"],
}

WIDER = [
    *POLICY,
    *SENDING,
    "tests/test_outbox.py",
    "tests/test_model.py",
    "tests/test_kit.py",
    "tests/test_house.py",
    *VENDORS,
]
