"""Environment variables through which whoever starts the processes completes the configuration."""

from typing import Final

from opensqt.config.deployment import Deployment

PAPER_CA: Final = "paper/tls/ca.pem"
"""Certificate of the paper venue's own authority, below the data directory."""


def has_own_paper_venue(deployment: Deployment) -> bool:
    """Tell whether an account trades on a paper venue that is ours to start."""
    return any(one.venue == "paper" and not one.base_url for one in deployment.accounts)


def overrides(deployment: Deployment, *, port: int, control_port: int) -> dict[str, str]:
    """Return what every process of the deployment must find in its environment.

    ``port`` and ``control_port`` are those chosen for the paper venue; unused without one.
    """
    found = {"OPENSQT_DATA_DIR": str(deployment.data_dir)}
    if not has_own_paper_venue(deployment):
        return found
    found["OPENSQT_PAPER__PORT"] = str(port)
    found["OPENSQT_PAPER__CONTROL_PORT"] = str(control_port)
    for account in deployment.accounts:
        if account.venue == "paper" and not account.base_url:
            name = f"OPENSQT_ACCOUNTS__{account.name.upper()}__BASE_URL"
            found[name] = f"https://{deployment.paper.host}:{port}"
    return found
