"""Reaching the connector of an account: on this machine, or wherever the configuration says."""

from pathlib import Path

from opensqt.bootstrap.runtime import Runtime, connector_name
from opensqt.core.ids import AccountName
from opensqt.rpc.auth import ClientSecurity, load_token
from opensqt.rpc.endpoint import FixedLocator, UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange


def dial_connector(
    runtime: Runtime, account: AccountName, *, subscriber: str, deployment: str = ""
) -> GrpcExchange:
    """Return the account as its connector offers it; connects when first asked.

    Raise ``SecurityError`` or ``OSError`` when the token cannot be used.
    """
    locate = (
        FixedLocator(runtime.connector_address)
        if runtime.connector_address
        else UnixLocator(runtime.open_run_dir().path, connector_name(account))
    )
    file = runtime.connector_token_file
    security = ClientSecurity(token=load_token(Path(file))) if file else ClientSecurity()
    return GrpcExchange(
        locate,
        subscriber=subscriber,
        account=str(account),
        deployment=deployment,
        security=security,
    )
