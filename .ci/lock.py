"""Resolve the dependencies of pyproject.toml into the two hashed locks.

The locks name versions and hashes only: no address, so that they are good behind any index.
The runtime lock is resolved under the development lock, so that both name the same versions.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT = "requirements-dev.lock"
RUNTIME = "requirements.lock"


def compile_lock(output: str, *options: str) -> None:
    """Resolve into `output`; versions already in it are kept where they still fit."""
    fixed = ["--universal", "--python-version=3.11", "--generate-hashes"]
    quiet = ["--no-header", "--no-annotate", "--quiet"]
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "pyproject.toml", *fixed, *quiet, *options, "-o", output]
    subprocess.run(command, check=True, cwd=ROOT)


def main() -> int:
    """Write both locks; arguments (for example --upgrade) go to the development resolution."""
    compile_lock(DEVELOPMENT, "--extra=dev", *sys.argv[1:])
    compile_lock(RUNTIME, f"--constraint={DEVELOPMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
