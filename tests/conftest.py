"""What every suite shares: fixtures that find the real backends, and property tests that are not timed."""

from hypothesis import settings

pytest_plugins = ["tests.support.backends"]

# Speed lives in benchmarks: on a busy machine a deadline fails for nothing.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")
