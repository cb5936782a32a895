"""The learner with its state in a real Redis."""

from tests.unit.services.aggregator.reading_suite import ReadingSuite


class TestLearner(ReadingSuite):
    """Fixtures `state` and `statistics` are those of conftest."""
