"""How hypothesis runs here: no deadline and no look at the clock, so that a slow machine fails nothing."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "relay", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("relay")
