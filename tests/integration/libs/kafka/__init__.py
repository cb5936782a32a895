"""Kafka, fake and real."""

import pytest

pytest.register_assert_rewrite("tests.integration.libs.kafka.behaviour")
