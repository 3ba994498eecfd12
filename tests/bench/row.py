"""One measured figure and its budget."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure as it is printed; a figure without a budget is always within it."""

    name: str
    """What was measured, dotted, such as `band.exit_p99`."""
    value: float
    unit: str
    budget: float | None = None
    higher_is_better: bool = False
    """Whether the budget is a floor; by default it is a ceiling."""

    @property
    def is_within_budget(self) -> bool:
        """Tell whether the figure keeps its budget."""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.higher_is_better else self.value <= self.budget
