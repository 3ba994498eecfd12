"""What a venue's refusal means. One table for all venues; what is not in it is UNKNOWN.

Key: venue family, raw code, optionally a part of the message, and where there is no code the HTTP
status. The default is UNKNOWN because a wrong "refused" loses an order that is working, and a wrong
"unknown" costs a look-up. A server error (5xx) or a request timeout (408) is UNKNOWN whatever code
comes with it: somebody behind the one who answered may have acted.

A refusal answers one *send*. It is final only because every order is sent once.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opensqt.ports.exchange import OutcomeClass, VenueCode


class VenueFamily(StrEnum):
    """Venues that share their codes."""

    BINANCE = "binance"
    BYBIT = "bybit"
    OKX = "okx"
    BITGET = "bitget"
    GATE = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a refusal means to us."""

    outcome: OutcomeClass
    code: VenueCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Codes of one venue that mean the same."""

    venue: VenueFamily
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    """HTTP statuses that mean this when the code is not listed."""
    text: str = ""
    """Lower-case part of the message that must be present too."""
    meaning: Meaning


UNLISTED: Final = Meaning(outcome=OutcomeClass.UNKNOWN, code=VenueCode.UNKNOWN_STATE)
_SERVER_ERROR: Final = 500
_REQUEST_TIMEOUT: Final = 408


def _rows(venue: VenueFamily, table: dict[Meaning, str]) -> tuple[Row, ...]:
    return tuple(
        Row(venue=venue, codes=tuple(codes.split()), meaning=meaning)
        for meaning, codes in table.items()
    )


def _refused(code: VenueCode) -> Meaning:
    return Meaning(outcome=OutcomeClass.REJECTED, code=code)


_DUPLICATE: Final = Meaning(outcome=OutcomeClass.DUPLICATE, code=VenueCode.ALREADY_EXISTS)
_MARGIN: Final = _refused(VenueCode.MARGIN_UNAVAILABLE)
_COLLATERAL: Final = _refused(VenueCode.INSUFFICIENT_COLLATERAL)
_NOT_FOUND: Final = _refused(VenueCode.NOT_FOUND)
_POST_ONLY: Final = _refused(VenueCode.POST_ONLY_WOULD_CROSS)
_REDUCE_ONLY: Final = _refused(VenueCode.REDUCE_ONLY)
_INVALID: Final = _refused(VenueCode.INVALID_ORDER)
_LIMITED: Final = _refused(VenueCode.RATE_LIMITED)
_CLOCK: Final = _refused(VenueCode.CLOCK_SKEW)
_KEY: Final = _refused(VenueCode.AUTHENTICATION)
_OTHER: Final = _refused(VenueCode.UPSTREAM_REJECTED)
_MAYBE_LIMITED: Final = Meaning(outcome=OutcomeClass.UNKNOWN, code=VenueCode.RATE_LIMITED)

_BINANCE: Final = (
    # -2010 is the matching engine's one code for every refusal; the words tell them apart.
    Row(
        venue=VenueFamily.BINANCE,
        codes=("-2010",),
        text="duplicate order sent",
        meaning=_DUPLICATE,
    ),
    Row(
        venue=VenueFamily.BINANCE,
        codes=("-2010",),
        text="insufficient balance",
        meaning=_COLLATERAL,
    ),
    Row(
        venue=VenueFamily.BINANCE,
        codes=("-2010",),
        text="immediately match",
        meaning=_POST_ONLY,
    ),
    *_rows(
        VenueFamily.BINANCE,
        {
            _OTHER: "-2010 -2020 -2021 -2025 -4061 -4140 -5000",
            _DUPLICATE: "-4116",
            _MARGIN: "-3003 -3012 -3014 -3021 -3022 -3027 -3028",
            _COLLATERAL: "-2018 -2019 -2027 -3006 -3008 -3041 -3045 -3067",
            _NOT_FOUND: "-2013 -2011",
            _POST_ONLY: "-5022",
            _REDUCE_ONLY: "-2022",
            _INVALID: "-1013 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1111 -1114 -1115 -1116"
            " -1117 -1120 -1121 -1131 -4003 -4004 -4005 -4013 -4014 -4015 -4016 -4023 -4024"
            " -4131 -4164",
            _LIMITED: "-1003 -1015",
            _CLOCK: "-1021",
            _KEY: "-1002 -1022 -2014 -2015",
            UNLISTED: "-1000 -1001 -1006 -1007 -1008",
        },
    ),
    # 418 is the ban after ignored 429s, 403 the firewall in front.
    Row(venue=VenueFamily.BINANCE, statuses=(429, 418, 403), meaning=_LIMITED),
)

_BYBIT: Final = (
    *_rows(
        VenueFamily.BYBIT,
        {
            _DUPLICATE: "110072 170141 10014",
            _MARGIN: "170037 176008 176009 176010 176011 176012 176013 176022 176023 176037 176038",
            _COLLATERAL: "110004 110007 110012 110045 170033 170131 176015 176025 176026 176027"
            " 176028 176029",
            _NOT_FOUND: "110001 170213",
            _POST_ONLY: "170210",
            _REDUCE_ONLY: "110017",
            _INVALID: "170140",
            # Not proven to be decided before the order path, so the order may exist.
            _MAYBE_LIMITED: "10006 10429",
            _CLOCK: "10002",
            UNLISTED: "10000 10016 10019 170001 170005 170007 170032 500000",
        },
    ),
    Row(venue=VenueFamily.BYBIT, statuses=(403,), meaning=_MAYBE_LIMITED),
)

_OKX: Final = (
    *_rows(
        VenueFamily.OKX,
        {
            _DUPLICATE: "51016",
            _MARGIN: "54000 51010 51024",
            _COLLATERAL: "51008 51119 51127 51131 51502 59108 59200",
            # 51400 to 51402: already canceled or done, to be looked up like any other.
            _NOT_FOUND: "51603 51400 51401 51402",
            _REDUCE_ONLY: "51112 51169 51170",
            _INVALID: "51006 51020 51121",
            _LIMITED: "50011 50061",
            _CLOCK: "50102",
            UNLISTED: "50001 50004 50005 50013 50026 51054",
        },
    ),
    Row(venue=VenueFamily.OKX, statuses=(429,), meaning=_LIMITED),
)

_BITGET: Final = (
    Row(venue=VenueFamily.BITGET, text="duplicat", meaning=_DUPLICATE),
    *_rows(
        VenueFamily.BITGET,
        {
            _DUPLICATE: "40786",
            _COLLATERAL: "43012 40754 40762",
            _NOT_FOUND: "40768 43001",
            _REDUCE_ONLY: "40757",
            _INVALID: "45110 41103",
            _LIMITED: "429",
            _CLOCK: "40008",
            UNLISTED: "40010 40015 40604 50008",
        },
    ),
    Row(venue=VenueFamily.BITGET, statuses=(429,), meaning=_LIMITED),
)

_GATE: Final = (
    *_rows(
        VenueFamily.GATE,
        {
            _DUPLICATE: "REPEATED_CREATION DUPLICATE_REQUEST",
            _MARGIN: "MARGIN_NOT_SUPPORTED CROSS_ACCOUNT_NOT_FOUND MARGIN_TRADE_NOT_ALLOWED",
            _COLLATERAL: "BALANCE_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH INSUFFICIENT_AVAILABLE"
            " USER_LOAN_LIMIT AUTO_BORROW_TOO_MUCH",
            _NOT_FOUND: "ORDER_NOT_FOUND",
            _POST_ONLY: "POC_FILL_IMMEDIATELY ORDER_POC_IMMEDIATE",
            _REDUCE_ONLY: "REDUCE_EXCEEDED POSITION_EMPTY",
            _INVALID: "INVALID_PARAM_VALUE",
            _LIMITED: "TOO_MANY_REQUESTS TOO_FAST",
            _CLOCK: "REQUEST_EXPIRED",
            UNLISTED: "SERVER_ERROR INTERNAL TOO_BUSY",
        },
    ),
)

TABLE: Final = (*_BINANCE, *_BYBIT, *_OKX, *_BITGET, *_GATE)


def classify(venue: VenueFamily, *, status: int, code: str, text: str) -> Meaning:
    """Return what a refusal means; UNKNOWN for everything the table does not list.

    >>> classify(VenueFamily.BINANCE, status=400, code="-5022", text="").code.value
    'ErrPostOnlyWouldCross'
    >>> classify(VenueFamily.BINANCE, status=503, code="-5022", text="").outcome.value
    'unknown'
    """
    if status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT:
        return UNLISTED
    words = text.lower()
    rows = [row for row in TABLE if row.venue is venue]
    for row in rows:
        if row.text and row.text in words and (not row.codes or code in row.codes):
            return row.meaning
    for row in rows:
        if not row.text and code in row.codes:
            return row.meaning
    for row in rows:
        if status in row.statuses:
            return row.meaning
    return UNLISTED
