"""docker-compose.yml tells the services only what they understand, and everything that they need."""

import importlib
import tomllib
from pathlib import Path

import msgspec
import pytest
import yaml

from deploy.local import simulated_models
from libs.contracts import bootstrap
from libs.providers.known import KNOWN
from libs.runtime.config import ServiceConfig, load, variables

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = ("gateway", "firewall", "router", "feedback_ingest", "aggregator")
IMAGE_ENVIRONMENT = {"HOST", "PORT", "JOURNAL_DIRECTORY"}


def config_class(service):
    module = importlib.import_module(f"services.{service}.config")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceConfig) and value is not ServiceConfig
    )
    return found


def environment(service):
    return COMPOSE["services"][service.replace("_", "-")]["environment"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_one_of_the_service(service):
    """A misspelt variable would silently leave the default in force."""
    known = {variable.name for variable in variables(config_class(service))} | {known.api_key_env for known in KNOWN}

    assert set() == set(environment(service)) - known


@pytest.mark.parametrize("service", SERVICES)
def test_the_environment_is_a_valid_configuration(service):
    """With the defaults of its ${…} expressions each service starts."""
    defaults = {
        name: str(value).rstrip("}").split("-", 1)[-1].split(":-")[-1] for name, value in environment(service).items()
    }

    assert load(config_class(service), env={k: v for k, v in defaults.items() if "$" not in v})


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_sets_variables_that_the_service_knows(service):
    """Address and journal are the image's to choose; a service without a journal ignores its directory."""
    known = {variable.name for variable in variables(config_class(service))}
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()

    assert {"HOST", "PORT"} <= known
    assert all(f"{name}=" in dockerfile for name in IMAGE_ENVIRONMENT)


def test_the_files_it_mounts_can_be_used():
    """The policy file loads, and the simulated models are those of the embedded stack."""
    policies = bootstrap.load((ROOT / "deploy/compose/bootstrap.toml").read_bytes())
    providers = tomllib.loads((ROOT / "deploy/compose/simulated-providers.toml").read_text())

    assert ["local"] == [key.key_id for key in policies.keys]
    assert tomllib.loads(simulated_models.providers_file("http://provider:8080/v1").decode()) == providers


def test_every_service_of_the_platform_is_there():
    """A service that is missing here is missing in production."""
    assert {service.replace("_", "-") for service in SERVICES} <= set(COMPOSE["services"])
    assert msgspec.to_builtins(COMPOSE["services"]["gateway"]["ports"]) == ["127.0.0.1:8080:8080"]
