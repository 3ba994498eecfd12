"""One deployment per venue account and user of this machine.

The account lease lives in the control store, so it cannot see a deployment with another data
directory. The connector, which alone signs, therefore holds a file lock named by venue and key.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from opensqt.cli.exits import CommandError, Exit
from opensqt.config.deployment import AccountConfig, Deployment
from opensqt.config.load import load_keys
from opensqt.core.ids import AccountName
from opensqt.system.locks import account_lock_path, lock_holder


def account_lock(deployment: Deployment, account: AccountConfig, *, api_key: str) -> Path:
    """Return the lock file of the account; two paper venues have different accounts of one key."""
    at = account.base_url.rstrip("/") if account.venue == "paper" else ""
    if account.venue == "paper" and not at:
        at = f"https://{deployment.paper.host}:{deployment.paper.port}"
    return account_lock_path(os.environ, venue=account.venue, key_id=f"{at}\x1f{api_key}")


def lock_purpose(deployment: Deployment, account: AccountName) -> str:
    """Return what the holder of the lock says about itself."""
    return f"connector of account {account}, data directory {deployment.data_dir}"


def refuse_held(deployment: Deployment, environ: Mapping[str, str]) -> None:
    """Raise ``CommandError`` when another deployment of this user trades one of the accounts."""
    if deployment.remote.address:
        return  # The connector holds the lock, and serves one deployment only.
    keys = load_keys(deployment.source, environ)
    for account in deployment.accounts:
        if account.venue == "paper" and not account.base_url:
            continue  # The venue is started with us, so nobody else can know it.
        path = account_lock(deployment, account, api_key=keys[account.name].api_key)
        holder = lock_holder(path)
        if holder is None or lock_purpose(deployment, account.name) in holder:
            continue
        message = (
            f"account {account.name}: its key trades already: {holder}; end that deployment"
            " first, or give this one a key of its own"
        )
        raise CommandError(Exit.REFUSED, message)
