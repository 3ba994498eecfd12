"""Check a commit message file: an imperative subject of at most 72 characters, a blank second line.

The file's name is the only argument, as git's commit-msg hook passes it.
"""

import re
import sys
from pathlib import Path

SUBJECT_MAX = 72
"""Characters; longer subjects are cut by most viewers."""

NOT_IMPERATIVE = re.compile(
    r"^(?:\w+ed|\w+ing|fixes|adds|updates|changes|removes)\b", re.IGNORECASE
)
IMPERATIVE_ANYWAY = frozenset({"embed", "feed", "need", "seed", "shed", "speed", "bring", "string"})


def problems(message: str) -> list[str]:
    """Return what is wrong with a commit message, comments left out."""
    lines = [line for line in message.split("\n") if not line.startswith("#")]
    subject = lines[0].strip()
    found = []
    if not subject:
        return ["the subject is empty"]
    if len(subject) > SUBJECT_MAX:
        found.append(
            f"the subject has {len(subject)} characters, at most {SUBJECT_MAX} are allowed"
        )
    if subject.endswith("."):
        found.append("the subject ends with a period")
    first = subject.split()[0].lower()
    if NOT_IMPERATIVE.match(subject) and first not in IMPERATIVE_ANYWAY:
        found.append(f"the subject must be imperative, it starts with {first!r}")
    if len(lines) > 1 and lines[1].strip():
        found.append("the second line must be blank")
    return found


def main() -> int:
    """Check the message in the file named by the only argument."""
    found = problems(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(*(f"commit message: {line}" for line in found), sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
