"""The one error of this package."""


class WireError(ValueError):
    """A message holds something that has no meaning here; the text names the field."""

    def __init__(self, field: str, *, expected: str, got: object) -> None:
        """Say which ``field`` holds what it must not."""
        super().__init__(f"{field}: expected {expected}, got {got!r}")
        self.field = field
