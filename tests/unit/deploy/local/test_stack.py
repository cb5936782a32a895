"""The process table follows from the settings and from nothing else."""

from pathlib import Path

import msgspec

from deploy.local.settings import StackSettings
from deploy.local.stack import backends, stack
from deploy.local.supervisor import Supervisor

SETTINGS = StackSettings(data=Path("/data"))
SERVICES = {"gateway", "firewall", "router", "feedback_ingest", "aggregator"}


def test_the_same_settings_give_the_same_table():
    assert stack(SETTINGS, internal_secret="s") == stack(SETTINGS, internal_secret="s")


def test_the_platform_is_four_backends_and_five_services():
    names = {spec.name for spec in stack(SETTINGS, internal_secret="s")}

    assert {"valkey", "broker", "clickhouse", "provider", *SERVICES} == names


def test_every_port_can_be_moved_by_the_variable_that_its_process_names():
    fields = [name for name in StackSettings.__struct_fields__ if name.endswith("_port")]
    moved = msgspec.structs.replace(SETTINGS, **{name: 30_000 + i for i, name in enumerate(fields)})

    by_variable = {spec.port_variable: spec.port for spec in stack(moved, internal_secret="s")}

    assert {name.upper(): 30_000 + i for i, name in enumerate(fields)} == by_variable


def test_no_two_processes_share_a_port():
    ports = [spec.port for spec in stack(SETTINGS, internal_secret="s")]

    assert sorted(set(ports)) == sorted(ports)


def test_every_service_waits_for_every_backend():
    needed = {spec.name for spec in backends(SETTINGS)}

    assert all(needed == set(s.depends_on) for s in stack(SETTINGS, internal_secret="s") if s.name in SERVICES)


def test_everything_listens_on_loopback():
    specs = stack(SETTINGS, internal_secret="s")

    assert {"127.0.0.1"} == {spec.ready.host for spec in specs}
    assert {"127.0.0.1"} == {spec.env["HOST"] for spec in specs if spec.name in SERVICES}


def test_the_table_can_be_started():
    Supervisor(stack(SETTINGS, internal_secret="s"), logs=Path("logs"), changed=lambda _status: None)
