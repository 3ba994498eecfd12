from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.paper.errors import MESSAGES
from opensqt.ports.exchange import OutcomeClass, VenueCode
from opensqt.venues.errors import TABLE, UNLISTED, Meaning, VenueFamily, classify

VENUES = st.sampled_from(list(VenueFamily))
LISTED = {(row.venue, code) for row in TABLE for code in row.codes}

REJECTED, DUPLICATE, UNKNOWN = (
    OutcomeClass.REJECTED,
    OutcomeClass.DUPLICATE,
    OutcomeClass.UNKNOWN,
)


@pytest.mark.parametrize(
    ("venue", "code", "text", "outcome", "meaning"),
    [
        ("binance", "-4116", "ClientOrderId is duplicated.", DUPLICATE, "ErrAlreadyExists"),
        ("binance", "-2010", "Duplicate order sent.", DUPLICATE, "ErrAlreadyExists"),
        (
            "binance",
            "-2010",
            "Account has insufficient balance for requested action.",
            REJECTED,
            "ErrInsufficientCollateral",
        ),
        (
            "binance",
            "-2010",
            "Order would immediately match and take.",
            REJECTED,
            "ErrPostOnlyWouldCross",
        ),
        ("binance", "-2010", "Something else.", REJECTED, "ErrUpstreamRejected"),
        ("binance", "-5022", "", REJECTED, "ErrPostOnlyWouldCross"),
        ("binance", "-2022", "", REJECTED, "ErrReduceOnly"),
        ("binance", "-2019", "", REJECTED, "ErrInsufficientCollateral"),
        ("binance", "-3027", "", REJECTED, "ErrMarginUnavailable"),
        ("binance", "-2011", "", REJECTED, "ErrNotFound"),
        ("binance", "-2013", "", REJECTED, "ErrNotFound"),
        ("binance", "-1111", "", REJECTED, "ErrInvalidOrder"),
        ("binance", "-4164", "", REJECTED, "ErrInvalidOrder"),
        ("binance", "-1021", "", REJECTED, "ErrClockSkew"),
        ("binance", "-1003", "", REJECTED, "ErrRateLimited"),
        ("binance", "-2015", "", REJECTED, "ErrAuthentication"),
        ("binance", "-1000", "", UNKNOWN, "ErrUnknownState"),
        ("binance", "-1001", "", UNKNOWN, "ErrUnknownState"),
        ("binance", "-1006", "", UNKNOWN, "ErrUnknownState"),
        ("binance", "-1007", "", UNKNOWN, "ErrUnknownState"),
        ("binance", "-1008", "", UNKNOWN, "ErrUnknownState"),
        ("bybit", "110072", "", DUPLICATE, "ErrAlreadyExists"),
        ("bybit", "170141", "", DUPLICATE, "ErrAlreadyExists"),
        ("bybit", "110007", "", REJECTED, "ErrInsufficientCollateral"),
        ("bybit", "10006", "", UNKNOWN, "ErrRateLimited"),
        ("bybit", "10429", "", UNKNOWN, "ErrRateLimited"),
        ("bybit", "10016", "", UNKNOWN, "ErrUnknownState"),
        ("bybit", "176010", "", REJECTED, "ErrMarginUnavailable"),
        ("okx", "51016", "", DUPLICATE, "ErrAlreadyExists"),
        ("okx", "51008", "", REJECTED, "ErrInsufficientCollateral"),
        ("okx", "50004", "", UNKNOWN, "ErrUnknownState"),
        ("okx", "50011", "", REJECTED, "ErrRateLimited"),
        ("okx", "51401", "", REJECTED, "ErrNotFound"),
        ("bitget", "40786", "", DUPLICATE, "ErrAlreadyExists"),
        ("bitget", "99999", "clientOid duplicate", DUPLICATE, "ErrAlreadyExists"),
        ("bitget", "40015", "", UNKNOWN, "ErrUnknownState"),
        ("bitget", "43012", "", REJECTED, "ErrInsufficientCollateral"),
        ("gate", "POC_FILL_IMMEDIATELY", "", REJECTED, "ErrPostOnlyWouldCross"),
        ("gate", "BALANCE_NOT_ENOUGH", "", REJECTED, "ErrInsufficientCollateral"),
        ("gate", "SERVER_ERROR", "", UNKNOWN, "ErrUnknownState"),
        ("gate", "REQUEST_EXPIRED", "", REJECTED, "ErrClockSkew"),
    ],
)
def test_listed_codes_mean_what_the_venues_say(
    venue: str, code: str, text: str, outcome: OutcomeClass, meaning: str
) -> None:
    found = classify(VenueFamily(venue), status=400, code=code, text=text)

    assert found == Meaning(outcome=outcome, code=VenueCode(meaning))


@pytest.mark.parametrize(
    ("venue", "status", "outcome"),
    [
        ("binance", 429, REJECTED),
        ("binance", 418, REJECTED),
        ("binance", 403, REJECTED),
        ("okx", 429, REJECTED),
        ("bitget", 429, REJECTED),
        ("bybit", 403, UNKNOWN),
    ],
)
def test_a_status_counts_where_there_is_no_code(
    venue: str, status: int, outcome: OutcomeClass
) -> None:
    found = classify(VenueFamily(venue), status=status, code="", text="")

    assert found == Meaning(outcome=outcome, code=VenueCode.RATE_LIMITED)


def test_a_listed_code_goes_before_the_status() -> None:
    found = classify(VenueFamily.BINANCE, status=429, code="-1007", text="")

    assert found.outcome is UNKNOWN


@pytest.mark.property
@given(VENUES, st.sampled_from([408, 500, 502, 503, 504, 599]), st.sampled_from(sorted(LISTED)))
def test_a_server_error_is_unknown_whatever_its_code(
    venue: VenueFamily, status: int, listed: tuple[VenueFamily, str]
) -> None:
    assert classify(venue, status=status, code=listed[1], text="duplicate order sent") == UNLISTED


@pytest.mark.property
@given(
    VENUES,
    st.integers(100, 499).filter(lambda status: status not in (403, 408, 418, 429)),
    st.one_of(st.integers(-99_999, 999_999).map(str), st.text(max_size=20)),
    st.text(max_size=40).filter(lambda text: "duplicat" not in text.lower()),
)
def test_what_is_not_listed_is_unknown(
    venue: VenueFamily, status: int, code: str, text: str
) -> None:
    found = classify(venue, status=status, code=code, text=text)

    assert (found == UNLISTED) or (venue, code) in LISTED


def test_no_code_of_a_venue_has_two_meanings() -> None:
    counts = Counter((row.venue, code, row.text) for row in TABLE for code in row.codes)

    assert [key for key, count in counts.items() if count > 1] == []


def test_rows_say_what_they_match_and_every_venue_has_some() -> None:
    assert {row.venue for row in TABLE} == set(VenueFamily)
    assert all(row.codes or row.statuses or row.text for row in TABLE)
    assert all(row.text == row.text.lower() for row in TABLE)
    assert all(row.meaning.outcome is not OutcomeClass.ACCEPTED for row in TABLE)


def test_a_refusal_is_never_taken_for_not_sent() -> None:
    assert {row.meaning.outcome for row in TABLE} == {REJECTED, DUPLICATE, UNKNOWN}


def test_every_refusal_of_the_paper_venue_that_an_order_can_meet_is_listed() -> None:
    # Refusals of routes the connector does not use.
    elsewhere = {-1125, -4028, -4046, -4059}
    listed = {int(code) for venue, code in LISTED if venue is VenueFamily.BINANCE}

    assert set(MESSAGES) - elsewhere <= listed
