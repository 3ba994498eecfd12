"""What only a server does: losing connections, keeping passwords, cutting names off."""

import psycopg
import pytest

from opensqt.core.ids import InstanceName, UnitId
from opensqt.ports.journal import JournalError
from opensqt.storage.journal import open_journal
from opensqt.storage.postgres import PostgresDatabase
from tests.storage.contract import UNIT, started

pytestmark = pytest.mark.pg


def end_all_connections(address: str) -> None:
    """Cut every other connection to the database, as a fail-over does."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_lost_connection_fails_one_call_and_is_opened_anew(database: str) -> None:
    journal = open_journal(database, UNIT)
    await journal.commit([started()], epoch=1, expected_sequence=0)
    end_all_connections(database)

    with pytest.raises(JournalError, match="cannot use"):
        await journal.commit([started()], epoch=1, expected_sequence=1)

    assert len((await journal.load()).facts) == 1
    assert await journal.commit([started()], epoch=1, expected_sequence=1) == 2
    journal.close()


async def test_a_commit_is_durable_whatever_the_server_prefers(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER ROLE test SET synchronous_commit = off")

    store = PostgresDatabase(database, schema="x")

    assert store.query("SHOW synchronous_commit") == [("on",)]
    store.close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER ROLE test RESET synchronous_commit")


def test_a_password_is_never_part_of_a_message() -> None:
    with pytest.raises(JournalError) as caught:
        open_journal("postgresql://me:hunter2@127.0.0.1:1/x", UNIT)

    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_the_server_would_cut_off_is_refused(database: str) -> None:
    unit = UnitId(account=UNIT.account, symbol=UNIT.symbol, instance=InstanceName("i" * 60))

    with pytest.raises(JournalError, match="is longer than 63"):
        open_journal(database, unit)


async def test_units_do_not_see_each_other(database: str) -> None:
    other = UnitId(account=UNIT.account, symbol=UNIT.symbol, instance=InstanceName("second"))
    first, second = open_journal(database, UNIT), open_journal(database, other)

    await first.commit([started()], epoch=1, expected_sequence=0)

    assert await second.history() == ()
    first.close()
    second.close()
