"""Where a deployment keeps its state and its sockets: the same answer in each of its processes."""

import asyncio
import secrets
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from opensqt.core.ids import AccountName
from opensqt.storage.location import Location
from opensqt.system.build import installed_build
from opensqt.system.rundir import RunDir, write_atomically

CONTROL_ENDPOINT: Final = "control"
"""Name under which the orchestrator's process serves the ControlService."""
_STORE_FILE: Final = "store"
_CONNECTOR_FILE: Final = "connector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Handed to every process; nothing is read from the environment of the process itself."""

    data_dir: str
    """Absolute."""
    run_root: str = ""
    """``XDG_RUNTIME_DIR`` of the operator, from which the run directory is derived."""
    store: str = ""
    """Address of the PostgreSQL server; empty = files in the data directory."""
    log_level: str = "info"
    engine: str = "dbos"
    """How decisions are made durable beside the journal: ``simple`` or ``dbos``."""
    connector_address: str = ""
    """``unix:/path`` or ``host:port`` of the connector; empty = the connectors of this machine."""
    connector_token_file: str = ""
    """File with the token the connector asks for; empty = it asks for none."""
    workflow_abi: str = ""
    """Version of the inputs of stored workflows; empty = this build's."""

    @property
    def location(self) -> Location:
        """Return where registry and journals lie."""
        return self.store or Path(self.data_dir)

    def open_run_dir(self) -> RunDir:
        """Return the run directory, made if it is missing."""
        environ = {"XDG_RUNTIME_DIR": self.run_root} if self.run_root else {}
        return RunDir(Path(self.data_dir), environ)


def remembered_store(data_dir: Path) -> str:
    """Return the store of the deployment that last ran in a data directory; empty = its files."""
    return _remembered(data_dir / _STORE_FILE)


def remembered_runtime(data_dir: Path, *, run_root: str) -> Runtime:
    """Return how the deployment that last ran in a data directory is reached."""
    address, _, token_file = _remembered(data_dir / _CONNECTOR_FILE).partition("\n")
    return Runtime(
        data_dir=str(data_dir),
        run_root=run_root,
        store=remembered_store(data_dir),
        connector_address=address,
        connector_token_file=token_file,
    )


def remember(runtime: Runtime) -> None:
    """Note store and connector where commands find them that are not told the configuration."""
    connector = f"{runtime.connector_address}\n{runtime.connector_token_file}".strip()
    for name, text in ((_STORE_FILE, runtime.store), (_CONNECTOR_FILE, connector)):
        path = Path(runtime.data_dir) / name
        if text:
            write_atomically(path, f"{text}\n")
        else:
            path.unlink(missing_ok=True)


def _remembered(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def link_name(account: AccountName) -> str:
    """Return the name under which an exchange process serves its managers."""
    return f"link-{account}"


def connector_name(account: AccountName) -> str:
    """Return the name under which a connector serves an account."""
    return f"connector-{account}"


@cache
def build_text() -> str:
    """Return version and content of the build this process is, for journals and handshakes.

    Kept from the first call on: what is installed meanwhile is another build.
    """
    return _installed_text()


async def build_now() -> str:
    """Return ``build_text`` of a process that starts now."""
    return await asyncio.to_thread(_installed_text)


def _installed_text() -> str:
    return f"opensqt {metadata.version('opensqt')} {installed_build()}"


def fresh_bytes() -> bytes:
    """Return random bytes for a deployment tag; used only when a control store is created."""
    return secrets.token_bytes(8)


def incarnation_of(run_path: Path, name: str) -> int:
    """Return how many processes have served under a name so far; 0 if none has."""
    try:
        first, _, _ = (run_path / f"{name}.lock").read_text("utf-8").partition(" ")
    except OSError:
        return 0
    return int(first) if first.isdecimal() else 0
