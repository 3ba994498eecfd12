"""What commands find that are not told the configuration."""

from pathlib import Path

from opensqt.bootstrap.last_cancel import known_accounts
from opensqt.bootstrap.runtime import Runtime, remember, remembered_runtime
from opensqt.core.ids import AccountName, Symbol, UnitId
from opensqt.storage.journal import open_journal


def test_how_a_deployment_is_reached_is_remembered_and_forgotten(tmp_path: Path) -> None:
    here = Runtime(data_dir=str(tmp_path))
    there = Runtime(
        data_dir=str(tmp_path),
        store="postgresql:///sqt",
        connector_address="10.0.0.1:50051",
        connector_token_file="/etc/token",
    )

    remember(there)
    assert remembered_runtime(tmp_path, run_root="") == there

    remember(here)
    assert remembered_runtime(tmp_path, run_root="") == here


async def test_the_journals_name_the_accounts_when_the_control_store_is_lost(
    tmp_path: Path,
) -> None:
    unit = UnitId(account=AccountName("main"), symbol=Symbol("BTCUSDT:perp"))
    open_journal(tmp_path, unit, may_migrate=True).close()
    (tmp_path / "control.db").write_bytes(b"no database" * 100)

    assert await known_accounts(Runtime(data_dir=str(tmp_path))) == [AccountName("main")]
