"""What every test shares: how generated examples are drawn."""

import os

from hypothesis import HealthCheck, Verbosity, settings

# No deadline per example: two busy cores are slow at random, and a slow example is not a bug.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.register_profile(
    "debug", settings.get_profile("default"), max_examples=10, verbosity=Verbosity.verbose
)
settings.load_profile(os.environ.get("OPENSQT_EXAMPLES", "default"))
