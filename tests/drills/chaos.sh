#!/usr/bin/env bash
# Kill a random process of a live paper deployment every 5 s for 5 minutes under a hostile venue,
# then compare ledger and books. Options: --minutes M --seed S --every S --json FILE.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${PYTHON:-.venv/bin/python}" -m tests.drills.chaos "$@"
