"""The simulated provider's models have prices, and the file that names them can be read."""

from datetime import UTC, datetime

from deploy.local.simulated_models import model_ids, providers_file
from libs.providers.loading import parse_catalogue

URL = "http://127.0.0.1:1/v1"


def test_every_simulated_model_is_in_the_catalogue_with_a_price():
    catalogue = parse_catalogue(providers_file(URL), datetime(2026, 11, 1, tzinfo=UTC))

    assert set(model_ids()) == set(catalogue.models)
    assert [] == [model.id for model in catalogue.models.values() if model.price is None]
    assert {URL} == {provider.base_url for provider in catalogue.providers.values()}
