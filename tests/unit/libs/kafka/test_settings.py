"""Kafka's settings are refused where they cannot work."""

import pytest

from libs.kafka.settings import KafkaSettings
from libs.runtime.config import Secret


@pytest.mark.parametrize("wrong", [{"shard": "2/2"}, {"security_protocol": "SASL_SSL"}])
def test_what_cannot_work_is_refused(wrong):
    with pytest.raises(ValueError, match="KAFKA_"):
        KafkaSettings(**wrong)


def test_a_password_is_given_to_the_client_but_never_shown():
    settings = KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_username="u", sasl_password=Secret("hush"))
    assert "hush" == settings.connection()["sasl_plain_password"]
    assert "hush" not in repr(settings)


def test_a_shard_is_an_index_among_several():
    assert (1, 3) == KafkaSettings(shard="1/3").parsed_shard()
