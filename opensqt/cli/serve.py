"""`serve`: one process of a deployment in the foreground, as the supervisor starts it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import (
    ConfigOption,
    DataDirOption,
    LoopOption,
    MoreArgument,
    ReplayOption,
    SpeedOption,
)
from opensqt.cli.place import config_path, environment
from opensqt.cli.printing import say

if TYPE_CHECKING:
    from opensqt.bootstrap.connector import ConnectorConfig
    from opensqt.config.deployment import AccountConfig, AccountKeys, Deployment
    from opensqt.core.ids import AccountName
    from opensqt.paper.config import PaperConfig
    from opensqt.rpc.auth import ServerSecurity
    from opensqt.venues.session import LocalEndpoint

_READY = "ready: "


def paper_venue(
    *,
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = as configured.")] = 0,
    control_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = as configured.")] = 0,
    seed: Annotated[int, typer.Option(min=-1, help="-1 = as configured.")] = -1,
    replay: ReplayOption = None,
    more: MoreArgument = None,
    speed: SpeedOption = "",
    loop: LoopOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the paper venue: an exchange on this machine, with a market of its own."""
    from opensqt.bootstrap.paper import serve_forever
    from opensqt.cli.recordings import checked_files, checked_speed
    from opensqt.config.load import load, load_keys

    files = checked_files(replay, more)
    path, env = config_path(config), environment(data_dir)
    wanted = paper_config(load(path, env), load_keys(path, env))
    wanted = replace(
        wanted,
        host=host or wanted.host,
        port=port or wanted.port,
        control_port=control_port or wanted.control_port,
        seed=seed if seed >= 0 else wanted.seed,
        replay=files or wanted.replay,
        speed=float(checked_speed(speed)) if speed else wanted.speed,
        loop=loop or wanted.loop,
    )
    _start_logging()
    serve_forever(
        wanted, lambda at: say(f"{_READY}paper venue {at.rest_url} control {at.control_url}")
    )


def connector(
    *,
    config: ConfigOption = None,
    account: Annotated[
        str, typer.Option(help="Account; needed if there are several.", metavar="NAME")
    ] = "",
    listen: Annotated[
        str,
        typer.Option(help="Serve other machines as well; needs --token-file.", metavar="HOST:PORT"),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="What callers must know; at least 32 letters and digits, mode 0600."),
    ] = None,
    allow_unfenced: Annotated[
        bool,
        typer.Option("--allow-unfenced", help="Take orders of clients that hold no account lease."),
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Serve one venue account over gRPC; the only process that knows its keys."""
    from opensqt.bootstrap.connector import serve
    from opensqt.config.load import load, load_keys
    from opensqt.rpc.endpoint import EndpointError
    from opensqt.storage.location import has_control
    from opensqt.system.locks import LockHeldError
    from opensqt.venues.transport import VenueConfigError

    path, env = config_path(config), environment(data_dir)
    deployment = load(path, env)
    wanted = connector_config(deployment, _account(deployment, account), load_keys(path, env))
    wanted = replace(
        wanted,
        listen=_address(listen),
        security=_security(listen, token_file),
        # On a machine of its own there is none: the exchange process's fences say it all.
        reads_store=not listen or has_control(wanted.runtime.location),
        allow_unfenced=allow_unfenced,
    )
    _start_logging()
    try:
        serve(wanted, lambda address: say(f"{_READY}connector {wanted.account} {address}"))
    except VenueConfigError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except EndpointError as error:
        raise CommandError(Exit.REFUSED, str(error)) from error
    except LockHeldError as error:
        message = f"account {wanted.account}: its key trades already: {error}"
        raise CommandError(Exit.REFUSED, message) from error


def _address(listen: str) -> str:
    host, separator, port = listen.rpartition(":")
    if listen and not (host and separator and port.isdecimal() and 0 < int(port) < 65_536):  # noqa: PLR2004 - ports
        message = f"--listen: got {listen!r}, expected HOST:PORT such as 0.0.0.0:50051"
        raise CommandError(Exit.USAGE, message)
    return listen


def _security(listen: str, token_file: Path | None) -> "ServerSecurity":
    from opensqt.rpc.auth import SecurityError, ServerSecurity, load_token

    if token_file is None:
        if not listen:
            return ServerSecurity()
        message = "--listen: anybody could trade; add --token-file FILE (openssl rand -hex 32)"
        raise CommandError(Exit.USAGE, message)
    try:
        return ServerSecurity(token=load_token(token_file))
    except (SecurityError, OSError, UnicodeError) as error:
        raise CommandError(Exit.USAGE, f"--token-file: {error}") from error


def connector_config(
    deployment: "Deployment",
    account: "AccountConfig",
    keys: "Mapping[AccountName, AccountKeys]",
) -> "ConnectorConfig":
    """Return what the connector of an account is started with."""
    from opensqt.bootstrap.connector import ConnectorConfig
    from opensqt.bootstrap.runtime import Runtime
    from opensqt.cli.account_locks import account_lock, lock_purpose
    from opensqt.system.locks import FileLock
    from opensqt.venues.transport import Credentials

    secrets = keys[account.name]
    return ConnectorConfig(
        venue=account.venue,
        account=account.name,
        keys=lambda: Credentials(api_key=secrets.api_key, secret=secrets.secret_key),
        runtime=Runtime(
            data_dir=str(deployment.data_dir),
            run_root=os.environ.get("XDG_RUNTIME_DIR", ""),
            store=deployment.store,
        ),
        paper=_local_endpoint(deployment, account),
        lock=FileLock(
            account_lock(deployment, account, api_key=secrets.api_key),
            purpose=lock_purpose(deployment, account.name),
        ),
    )


def _local_endpoint(deployment: "Deployment", account: "AccountConfig") -> "LocalEndpoint | None":
    from urllib.parse import urlsplit

    from opensqt.config.overrides import PAPER_CA
    from opensqt.venues.session import LocalEndpoint

    if account.venue != "paper":
        return None
    port = urlsplit(account.base_url).port or deployment.paper.port
    if not port:
        message = "the paper venue's port is not known; set paper.port or start with: opensqt up"
        raise CommandError(Exit.USAGE, message)
    return LocalEndpoint(port=port, ca_file=deployment.data_dir / PAPER_CA)


def _account(deployment: "Deployment", name: str) -> "AccountConfig":
    names = [account.name for account in deployment.accounts]
    found = deployment.account(name or (names[0] if len(names) == 1 else ""))
    if found is None:
        listed = ", ".join(names)
        raise CommandError(Exit.USAGE, f"--account: expected one of {listed}, got {name!r}")
    return found


def paper_config(
    deployment: "Deployment", keys: "Mapping[AccountName, AccountKeys]"
) -> "PaperConfig":
    """Return what the paper venue is started with: one account per account of ours on it."""
    from opensqt.paper.config import PaperAccount, PaperConfig

    paper = deployment.paper
    accounts = tuple(
        PaperAccount(
            name=account.name,
            api_key=keys[account.name].api_key,
            api_secret=keys[account.name].secret_key,
            balances={"USDT": Decimal(paper.balance)},
            maker_fee=paper.maker_fee,
            taker_fee=paper.taker_fee,
        )
        for account in deployment.accounts
        if account.venue == "paper"
    )
    return PaperConfig(
        data_dir=deployment.data_dir,
        host=paper.host,
        port=paper.port,
        control_port=paper.control_port,
        seed=paper.seed,
        accounts=accounts,
        replay=paper.replay.files,
        speed=float(paper.replay.speed),
        loop=paper.replay.is_looping,
    )


def _start_logging() -> None:
    from opensqt.system import log

    log.configure(level=os.environ.get("OPENSQT_LOG_LEVEL", "info"))
