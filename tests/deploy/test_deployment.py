"""What `deploy/` holds fits together and fits the product: references, settings, metrics, Prometheus' own checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import KafkaSettings, WorkerSettings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ROOT = DEPLOY.parent
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "streams.yaml").read_text(encoding="utf-8")))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def known_variables() -> set[str]:
    """Return every environment variable of ours."""
    made = {"STREAMS_FILE"}
    for group in (KafkaSettings, WorkerSettings):
        for option in group.options().values():
            name = group.variable(option.name)
            made |= {name, f"{name}_FILE"} if option.secret else {name}
    return made


def known_metrics() -> set[str]:
    """Return the name of every metric that the source names, with the endings of its kind."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "streams").glob("metrics*")))
    names = set(re.findall(r'"(streams_[a-z_]+)"', source))
    return names | {f"{name}{end}" for name in names for end in ("_total", "_bucket", "_sum", "_count")}


def the(kind: str) -> dict[str, Any]:
    """Return the one Kubernetes object of a kind."""
    (found,) = [each for each in KUBERNETES if each["kind"] == kind]
    return found


@pytest.mark.parametrize("path", ["Dockerfile", "compose.yaml", "kubernetes/streams.yaml"])
def test_variables_that_are_set_exist(path: str) -> None:
    """Every STREAMS_* variable that a deployment sets is one that the product reads."""
    used = set(re.findall(r"\bSTREAMS_[A-Z_]+", (DEPLOY / path).read_text(encoding="utf-8")))
    assert used
    assert used <= known_variables()


@pytest.mark.parametrize("name", ["worker-1", "worker-2"])
def test_compose_workers_read_usable_settings(name: str) -> None:
    """A worker of the compose file starts: its settings have no mistake."""
    environ = COMPOSE["services"][name]["environment"]
    assert KafkaSettings.read({}, environ).bootstrap_servers == ("kafka:9092",)
    settings = WorkerSettings.read({}, environ)
    assert settings.advertised_host == name


def test_compose_refers_to_what_exists() -> None:
    """Volumes are declared, mounted and build files exist, and a service waits only for a service."""
    services = COMPOSE["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        assert service.get("depends_on", {}).keys() <= services.keys()
        if "build" in service:
            assert ((DEPLOY / service["build"]["context"]) / service["build"]["dockerfile"]).is_file()


def test_compose_publishes_on_loopback_only() -> None:
    """Nothing of the trial set-up is reached from another machine: it has no passwords."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_prometheus_scrapes_the_compose_workers() -> None:
    """The targets of the scrape configuration are services of the compose file, on the port they listen on."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = config["scrape_configs"][0]["static_configs"][0]["targets"]
    workers = [name for name in COMPOSE["services"] if name.startswith("worker")]
    assert targets == [f"{name}:{WorkerSettings().web_port}" for name in workers]


def test_the_image_runs_unprivileged_from_the_lock() -> None:
    """The image installs by hash, runs as a user without rights, and has the health page asked."""
    installs = [line for line in DOCKERFILE.replace("\\\n", " ").split("&&") if re.search(r"pip install", line)]
    assert installs
    assert all("--require-hashes" in line or "--no-deps wheels/" in line for line in installs)
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "/-/healthy" in DOCKERFILE.split("HEALTHCHECK")[1]


def test_the_image_copies_what_is_there() -> None:
    """Every file that the build copies exists and is not ignored."""
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert source in allowed


def test_kubernetes_objects_belong_together() -> None:
    """Service, labels, volumes, ports and the mounted declaration of the StatefulSet fit each other."""
    state = the("StatefulSet")["spec"]
    pod, labels = state["template"]["spec"], state["template"]["metadata"]["labels"]
    (worker,) = pod["containers"]
    volumes = {each["name"] for each in pod["volumes"]}
    volumes |= {each["metadata"]["name"] for each in state["volumeClaimTemplates"]}
    assert state["serviceName"] == the("Service")["metadata"]["name"]
    assert the("Service")["spec"]["selector"] == state["selector"]["matchLabels"] == labels
    assert the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert {mount["name"] for mount in worker["volumeMounts"]} == volumes
    assert "ops.yaml" in the("ConfigMap")["data"]
    assert worker["ports"][0]["containerPort"] == WorkerSettings().web_port


def test_kubernetes_workers_keep_their_membership() -> None:
    """The group instance id and the advertised host come from the pod's name, which survives a restart."""
    (worker,) = the("StatefulSet")["spec"]["template"]["spec"]["containers"]
    environ = {each["name"]: each.get("value", "") for each in worker["env"]}
    assert environ["STREAMS_KAFKA_GROUP_INSTANCE_ID"] == "$(POD_NAME)"
    assert environ["STREAMS_WEB_HOST"] == f"$(POD_NAME).{the('Service')['metadata']['name']}"
    assert worker["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/-/ready"


def test_the_kubernetes_declaration_has_no_mistake(tmp_path: Path) -> None:
    """The declaration inside the ConfigMap loads."""
    load = pytest.importorskip("streams.load").load
    path = tmp_path / "ops.yaml"
    path.write_text(the("ConfigMap")["data"]["ops.yaml"])
    assert load(path).app == "ops"


@pytest.mark.parametrize("path", ["prometheus/rules.yml", "prometheus/rules_test.yml", "grafana/dashboard.json"])
def test_metrics_that_are_asked_for_exist(path: str) -> None:
    """Rules and dashboard ask only for metrics that a worker exports."""
    text = (DEPLOY / path).read_text(encoding="utf-8").replace("streams_alertname", "")
    used = set(re.findall(r"\bstreams_[a-z_]+", text))
    assert used
    assert used <= known_metrics()


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
    ids=" ".join,
)
def test_promtool_finds_no_fault(command: tuple[str, ...]) -> None:
    """Prometheus' own tool accepts configuration and rules, and the rules' tests hold."""
    if shutil.which("promtool") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is required with CI=true: apt-get install prometheus")
        pytest.skip("promtool is not installed: apt-get install prometheus")
    run = subprocess.run(["promtool", *command], cwd=DEPLOY / "prometheus", check=False, capture_output=True, text=True)  # noqa: S607 - found by the path
    assert run.returncode == 0, run.stdout + run.stderr
