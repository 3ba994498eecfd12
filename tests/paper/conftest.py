"""A scripted paper venue for each test: prices move only when the test says so."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.core.ids import AccountName
from opensqt.paper.config import PaperAccount, PaperConfig
from tests.paper.client import Client, serving

BOB = PaperAccount(
    name=AccountName("bob"),
    api_key="bob-key",
    api_secret="bob-secret",
    maker_fee=Decimal(0),
    taker_fee=Decimal("0.001"),
)


@pytest.fixture
def config(tmp_path: Path) -> PaperConfig:
    return PaperConfig(
        data_dir=tmp_path, tls=False, is_scripted=True, accounts=(PaperAccount(), BOB)
    )


@pytest.fixture
async def client(config: PaperConfig) -> AsyncIterator[Client]:
    async with serving(config) as one:
        await one.market(bid="60000.0", ask="60000.1", bid_quantity="5", ask_quantity="5")
        yield one


@pytest.fixture
def bob(client: Client) -> Client:
    return client.other(BOB.api_key, BOB.api_secret)
