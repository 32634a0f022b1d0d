"""TwincleProvider: status, look-up and balance."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.attempts import query
from smsbridge.errors import NotFoundError, QueryError
from smsbridge.http import HttpResponse
from smsbridge.messages import SentMessage, Status
from smsbridge_twincle import TwincleProvider

TWINCLE = TwincleProvider(access_token="dummy-token-not-a-secret", base_url="https://twincle.test/api/v2/")
NUMBER = "919876543210"
ID = "00000000-0000-4000-8000-000000000000:1"
SENT = SentMessage(account="twincle", provider="twincle", id=ID, to=f"+{NUMBER}", reference="ref-1")


def run(start, *answers):
    """The result of a query whose requests get these answers, and the requests."""
    flow, requests = query(TWINCLE, start), []
    try:
        requests.append(next(flow))
        for answer in answers:
            requests.append(flow.send(answer))  # noqa: PERF401  # a comprehension would swallow the end of the flow
    except StopIteration as stop:
        return stop.value, requests
    raise AssertionError("the flow asks for more")


def answer(data, status=200):
    return HttpResponse(status=status, body=data if isinstance(data, bytes) else json.dumps(data).encode())


def row(**fields):
    """A row as `sms/status` documents it."""
    return {
        "id": ID,
        "mobile": NUMBER,
        "status": "DELIVRD",
        "units": 1,
        "length": 7,
        "charges": 1,
        "custom": "",
        "custom1": "",
        "location": "",
        "provider": "",
        "submitted_at": "2018-07-06 09:57:42",
        "delivered_at": "2018-07-06 21:57:42",
        **fields,
    }


def paginator(*rows, following=""):
    page = {
        "current_page": 1,
        "data": list(rows),
        "from": 1,
        "last_page": 100,
        "first_page_url": "",
        "last_page_url": "",
    }
    page |= {"next_page_url": following, "path": "", "per_page": 100, "prev_page_url": None, "to": 100, "total": 10000}
    return {"status": 200, "message": "OK", "data": page}


def linked(*rows, following=None):
    links = {"first": "x", "last": "x", "prev": None, "next": following}
    meta = {
        "current_page": 1,
        "from": 1,
        "last_page": 1,
        "links": [],
        "path": "x",
        "per_page": 100,
        "to": 1,
        "total": 1,
    }
    return {"status": "OK", "code": 200, "message": "OK", "data": list(rows), "links": links, "meta": meta}


SHAPES = {
    "E1 and E2": lambda *rows: {"status": 200, "message": "OK", "data": list(rows)},
    "E2, paginated": paginator,
    "E3": lambda *rows: {"status": "OK", "code": 200, "message": "OK", "data": list(rows)},
    "E3, paginated": linked,
    "rows": lambda *rows: {"rows": list(rows)},
    "rows, paginated": lambda *rows: {"rows": {"data": list(rows), "next_page_url": None}},
    "one object": lambda data: {"status": "OK", "code": 200, "data": data},
}


def report(data, sent=SENT, *more):
    return run(lambda: TWINCLE.status(sent), *(answer(each_data) for each_data in (data, *more)))[0]


# --- status ---------------------------------------------------------------------------------------------------------------


def test_a_status_is_asked_for_by_the_whole_id():
    _, (asked,) = run(lambda: TWINCLE.status(SENT), answer(linked(row())))
    assert (asked.method, asked.sends, asked.body) == ("GET", False, b"")
    assert asked.url == "https://twincle.test/api/v2/sms/status?id=00000000-0000-4000-8000-000000000000%3A1"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["authorization"] == "Bearer dummy-token-not-a-secret"


def test_without_an_id_it_is_asked_for_by_reference():
    sent = SentMessage(account="twincle", provider="twincle", id="", reference="ref 1")
    found, (asked,) = run(lambda: TWINCLE.status(sent), answer(linked(row(custom="ref 1"))))
    assert urlsplit(asked.url).query == "cid=ref+1"
    assert found.reference == "ref 1"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_answer_is_read_in_every_documented_shape(shape):
    found = report(shape(row()))
    assert (found.account, found.provider, found.id, found.to) == ("twincle", "twincle", ID, f"+{NUMBER}")
    assert (found.reference, found.status, found.final) == ("ref-1", Status.DELIVERED, True)
    assert (found.segments, found.price.amount, found.price.unit) == (1, Decimal(1), "credits")
    assert found.at == datetime(2018, 7, 6, 16, 27, 42, tzinfo=UTC)
    assert (found.code, found.reason, found.key) == (None, None, f"{ID}/DELIVRD")
    assert found.raw == row()


def test_numbers_may_be_strings():
    found = report(paginator(row(units="2", length="200", charges="2.0000")))
    assert (found.segments, found.price.amount) == (2, Decimal("2.0000"))


@pytest.mark.parametrize("at", ["", None, "soon", "0000-00-00 00:00:00", "9999-99-99", [], 12])
def test_a_broken_or_missing_date_is_no_date(at):
    assert report(linked(row(delivered_at=at))).at is None


def test_a_text_on_its_way_is_queued_and_not_final():
    found = report(linked(row(status="AWAITING-DLR", delivered_at="")))
    assert (found.status, found.final, found.at) == (Status.QUEUED, False, None)


def test_a_failure_keeps_the_vendors_word():
    found = report(linked(row(status="ABSENT-SUB")))
    assert (found.status, found.code, found.reason) == (Status.UNDELIVERED, "ABSENT-SUB", "absent")


def test_the_zone_of_dates_is_a_setting():
    there = TWINCLE.model_copy(update={"timezone": "UTC"})
    found, _ = run(lambda: there.status(SENT), answer(linked(row())))
    assert found.at == datetime(2018, 7, 6, 21, 57, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    "rows",
    [[], [row(id="another:1")], [row(mobile="919812345678")]],
    ids=["empty list", "another id", "another number"],
)
def test_an_answer_without_our_row_is_not_found(rows):
    with pytest.raises(NotFoundError):
        report(linked(*rows))


@pytest.mark.parametrize(
    "response",
    [
        answer({"status": "OK", "code": 422, "message": "No data found.", "data": []}),
        answer({"status": "ERROR", "code": 404, "message": "Gone.", "data": []}, 404),
    ],
)
def test_a_vendor_who_says_so_has_not_found_it(response):
    with pytest.raises(NotFoundError):
        run(lambda: TWINCLE.status(SENT), response)


def test_nothing_to_ask_for_is_not_found_and_nothing_is_asked():
    with pytest.raises(NotFoundError):
        run(lambda: TWINCLE.status(SentMessage(account="twincle", provider="twincle", id="")))


def test_rows_with_one_id_are_told_apart_by_number_and_reference():
    rows = [row(mobile="919812345678"), row(custom="ref-2", status="EXPIRED"), row(custom="ref-1")]
    assert report(linked(*rows)).status is Status.DELIVERED


def test_of_two_reports_on_one_text_the_last_word_counts():
    assert report(linked(row(), row(status="AWAITING-DLR"))).status is Status.DELIVERED


def test_rows_with_one_id_for_several_numbers_are_not_guessed_from():
    unknown = SentMessage(account="twincle", provider="twincle", id=ID)
    with pytest.raises(NotFoundError):
        report(linked(row(), row(mobile="919812345678")), unknown)


@pytest.mark.parametrize("shape", [paginator, linked])
def test_further_pages_are_asked_for_by_number_and_never_by_the_vendors_link(shape):
    away = shape(row(id="another:1"), following="https://elsewhere.test/steal?page=2")
    found, asked = run(lambda: TWINCLE.status(SENT), answer(away), answer(shape(row())))
    assert found.id == ID
    assert [urlsplit(request.url).netloc for request in asked] == ["twincle.test", "twincle.test"]
    assert dict(parse_qsl(urlsplit(asked[1].url).query)) == {"id": ID, "page": "2"}


def test_a_row_on_the_first_page_needs_no_second():
    _, asked = run(lambda: TWINCLE.status(SENT), answer(paginator(row(), following="https://twincle.test/?page=2")))
    assert len(asked) == 1


def test_endless_pages_end():
    with pytest.raises(NotFoundError):
        run(lambda: TWINCLE.status(SENT), *[answer(paginator(following="x"))] * 20)


@pytest.mark.parametrize(
    ("response", "marks"),
    [
        (answer({"message": "Unauthenticated."}, 401), {"authentication"}),
        (answer(b"<html>login</html>"), {"authentication"}),
        (answer({}, 429), {"rate_limited", "retryable"}),
        (answer(b"", 502), {"retryable"}),
        (answer({"status": "ERROR", "code": 422, "message": "Invalid request", "data": []}, 422), set()),
    ],
)
def test_a_failed_query_says_what_would_help(response, marks):
    with pytest.raises(QueryError) as caught:
        run(lambda: TWINCLE.status(SENT), response)
    assert type(caught.value) is QueryError
    assert {name for name in ("authentication", "rate_limited", "retryable") if getattr(caught.value, name)} == marks


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(row(), JSON)))
ODD = JSON | st.fixed_dictionaries(
    {"status": st.sampled_from([200, "OK"])}, optional={"data": ROWS | JSON, "rows": ROWS}
)


@given(
    data=ODD, start=st.sampled_from([lambda: TWINCLE.status(SENT), lambda: TWINCLE.lookup("ref-1"), TWINCLE.balance])
)
def test_no_odd_answer_breaks_a_query(data, start):
    problem = ""
    flow = query(TWINCLE, start)
    try:
        next(flow)
        while True:
            flow.send(answer(data))
    except StopIteration:
        pass
    except QueryError as error:
        problem = str(error)
    assert "plugin failed" not in problem


# --- lookup ---------------------------------------------------------------------------------------------------------------


def lookup(*rows, reference="ref-1"):
    return run(lambda: TWINCLE.lookup(reference), answer(linked(*rows)))


def test_a_reference_that_was_accepted_is_found():
    found, (asked,) = lookup(row(custom="ref-1", status="AWAITING-DLR"))
    assert urlsplit(asked.url).query == "cid=ref-1"
    assert (found.id, found.to, found.reference, found.status) == (ID, f"+{NUMBER}", "ref-1", Status.QUEUED)
    assert found.at == datetime(2018, 7, 6, 4, 27, 42, tzinfo=UTC)


@pytest.mark.parametrize("custom", ["", "ref-10", "REF-1", None])
def test_a_row_with_another_reference_does_not_count(custom):
    assert lookup(row(custom=custom))[0] is None


def test_an_unknown_reference_is_not_found():
    assert lookup()[0] is None
    unknown = answer({"status": "OK", "code": 422, "message": "No data found.", "data": []})
    assert run(lambda: TWINCLE.lookup("ref-1"), unknown)[0] is None


def test_of_two_attempts_the_one_that_was_not_refused_counts():
    rows = [row(id="u:1", custom="ref-1", status="NO-CREDITS"), row(id="u:2", custom="ref-1", status="AWAITING-DLR")]
    assert lookup(*rows)[0].id == "u:2"


def test_without_a_reference_nothing_is_asked():
    with pytest.raises(StopIteration) as stop:
        next(TWINCLE.lookup(""))
    assert stop.value.value is None


def test_absence_proves_nothing():
    assert TWINCLE.absence_proven_after is None


# --- balance --------------------------------------------------------------------------------------------------------------

BALANCE = {
    "status": 200,
    "message": "OK",
    "data": [
        {"service": "P", "name": "Promotional SMS", "postpaid": 0, "credits": 69, "charges": 1},
        {"service": "T", "name": "Transactional SMS", "postpaid": 0, "credits": "109.5000", "charges": 1},
    ],
}


def test_the_balance_is_credits_per_service():
    balances, (asked,) = run(TWINCLE.balance, answer(BALANCE))
    assert (asked.method, asked.url) == ("GET", "https://twincle.test/api/v2/account/balance")
    assert [(balance.service, balance.amount, balance.unit) for balance in balances] == [
        ("P", Decimal(69), "credits"),
        ("T", Decimal("109.5000"), "credits"),
    ]
    assert balances[0].raw == BALANCE["data"][0]


@pytest.mark.parametrize(
    "missing",
    [answer(b"<html>Not Found</html>", 404), answer({"status": "ERROR", "code": 404, "message": "x", "data": []})],
)
def test_a_server_without_the_old_path_is_asked_on_the_new_one(missing):
    balances, asked = run(TWINCLE.balance, missing, answer(BALANCE))
    assert [urlsplit(request.url).path for request in asked] == ["/api/v2/account/balance", "/api/v2/finance/balance"]
    assert len(balances) == 2


def test_a_refused_balance_is_not_asked_for_again():
    with pytest.raises(QueryError) as caught:
        run(TWINCLE.balance, answer({"message": "Unauthenticated."}, 401))
    assert caught.value.authentication


def test_an_account_without_services_has_no_balance():
    assert run(TWINCLE.balance, answer({"status": 200, "data": []}))[0] == []


def test_a_fraction_is_exact():
    assert run(TWINCLE.balance, answer(b'{"status":"OK","code":200,"data":[{"service":"T","credits":0.1}]}'))[0][
        0
    ].amount == Decimal("0.1")


@pytest.mark.parametrize("credits", [None, "many", True, "NaN", "1e5", {}])
def test_a_balance_that_cannot_be_read_is_an_error_and_not_zero(credits):
    with pytest.raises(QueryError):
        run(TWINCLE.balance, answer({"status": 200, "data": [{"service": "T", "credits": credits}]}))


@pytest.mark.parametrize(
    "data", [{"status": 200}, {"status": 200, "data": "x"}, [], {"status": "OK", "code": 500, "data": []}]
)
def test_an_answer_that_is_no_balance_is_an_error(data):
    with pytest.raises(QueryError):
        run(TWINCLE.balance, answer(data))
