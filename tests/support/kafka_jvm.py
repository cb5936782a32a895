"""Apache Kafka in KRaft mode as a local Java process: fetched by Maven once, then started from a cache directory."""

import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

from deploy.local.process import ProcessSpec, TcpProbe, free_port

VERSION = "4.1.1"
CACHE = Path.home() / ".cache" / "agent-gateway" / f"kafka-{VERSION}"
FETCH_TIMEOUT_S = 300
FORMAT_TIMEOUT_S = 60
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
LOGGING = """<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class KafkaUnavailableError(Exception):
    """Apache Kafka cannot be had on this machine; the message says what is missing."""


def kafka_jvm(data: Path) -> ProcessSpec:
    """Return a broker on a free loopback port with freshly formatted storage under `data`, which outlives restarts."""
    classpath = f"{_libraries()}/*"
    port = free_port()
    settings = data / "server.properties"
    settings.write_text(_settings(port=port, controller_port=free_port(), logs=data / "logs"))
    (data / "log4j2.xml").write_text(LOGGING)
    java = (_tool("java"), "-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", classpath)
    java = (*java, f"-Dlog4j2.configurationFile={data / 'log4j2.xml'}")
    _run((*java, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(settings)), FORMAT_TIMEOUT_S)
    return ProcessSpec(
        name="kafka",
        argv=(*java, "kafka.Kafka", str(settings)),
        ready=TcpProbe(port=port),
        ready_timeout_s=60,
        stop_timeout_s=30,
    )


def _libraries() -> Path:
    libraries = CACHE / "lib"
    if not libraries.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "pom.xml").write_text(POM)
        fetched = CACHE / f"fetching-{uuid4().hex}"
        maven = (_tool("mvn"), "-q", "-B", "-f", str(CACHE / "pom.xml"), "dependency:copy-dependencies")
        _run((*maven, f"-DoutputDirectory={fetched}"), FETCH_TIMEOUT_S)
        _publish(fetched, libraries)
    return libraries


def _publish(fetched: Path, libraries: Path) -> None:
    # Two test runs may fetch at once: the first rename wins, and a reader never sees half of the files.
    try:
        fetched.rename(libraries)
    except OSError:
        shutil.rmtree(fetched)


def _run(argv: tuple[str, ...], timeout_s: float) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603 - no shell
    if done.returncode:
        raise KafkaUnavailableError(f"{argv[0]} exited with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise KafkaUnavailableError(f"{name} is not installed")
    return path


def _cluster_id() -> str:
    return uuid4().hex[:22]


def _settings(*, port: int, controller_port: int, logs: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": logs,
        "num.partitions": 1,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "controlled.shutdown.enable": "false",
        # After a crash the broker is let back in when its old session has run out.
        "broker.heartbeat.interval.ms": 200,
        "broker.session.timeout.ms": 2000,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
