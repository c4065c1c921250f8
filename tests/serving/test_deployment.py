"""The deployment files of docs/serving parse, agree with each other, and are safe defaults."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "serving"
FIELDS = {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"}


def text(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.fixture(scope="module")
def compose():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(text("docker-compose.yml"))["services"]["serving"]


@pytest.fixture(scope="module")
def manifests():
    yaml = pytest.importorskip("yaml")
    found = {m["kind"]: m for m in yaml.safe_load_all(text("kubernetes.yaml"))}
    assert set(found) == {"Deployment", "Service"}
    return found


def container(manifests):
    (found,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


def flags(arguments) -> dict[str, str]:
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def test_compose_is_closed_to_other_machines(compose):
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", compose["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in compose["ports"])
    assert all(volume.endswith(":ro") for volume in compose["volumes"])
    assert compose["read_only"] is True
    assert compose["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in compose["security_opt"]
    user, group = compose["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert re.fullmatch(r"\d+[mg]", compose["mem_limit"])
    assert compose["cpus"] > 0
    assert compose["entrypoint"] == container_command()
    assert "privileged" not in compose
    assert "network_mode" not in compose


def container_command() -> list[str]:
    return ["/usr/bin/tensorflow_model_server"]


def test_the_manifest_is_bounded_and_probed(manifests):
    deployment, service = manifests["Deployment"]["spec"], manifests["Service"]["spec"]
    labels = deployment["selector"]["matchLabels"]
    assert deployment["template"]["metadata"]["labels"] == labels == service["selector"]
    pod, one = deployment["template"]["spec"], container(manifests)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    limits = one["securityContext"]
    assert limits["allowPrivilegeEscalation"] is False
    assert limits["readOnlyRootFilesystem"] is True
    assert limits["capabilities"] == {"drop": ["ALL"]}
    assert set(one["resources"]) == {"requests", "limits"}
    assert all(set(v) == {"cpu", "memory"} for v in one["resources"].values())
    assert service["type"] == "ClusterIP"
    ports = {p["name"]: p["containerPort"] for p in one["ports"]}
    assert {p["targetPort"]: p["port"] for p in service["ports"]} == ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = one[probe]["httpGet"]
        assert get["path"].startswith("/v1/models/basset")
        assert get["port"] in ports
    mounts = {m["name"]: m for m in one["volumeMounts"]}
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert set(mounts) == set(volumes)
    assert mounts["models"]["readOnly"] is True
    assert volumes["models"]["persistentVolumeClaim"]["readOnly"] is True


def test_both_start_the_same_server(compose, manifests):
    one = container(manifests)
    assert compose["image"] == one["image"]
    assert one["command"] == container_command()
    given = flags(compose["command"])
    assert given == flags(one["args"])
    ports = {p["name"]: str(p["containerPort"]) for p in one["ports"]}
    assert (given["port"], given["rest_api_port"]) == (ports["grpc"], ports["rest"])
    assert [p.split(":")[-1] for p in compose["ports"]] == [ports["grpc"], ports["rest"]]
    mounted = {v.split(":")[1]: v.split(":")[0] for v in compose["volumes"]}
    assert {m["mountPath"] for m in one["volumeMounts"]} == {*mounted, "/tmp"}
    assert mounted["/config"] == "./docs/serving"
    for name, path in given.items():
        if name.endswith("_file"):
            assert path.startswith("/config/")
            assert (FOLDER / Path(path).name).is_file()


def test_the_model_has_one_name(compose, manifests):
    configs = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    from google.protobuf import text_format

    parsed = text_format.Parse(text("models.config"), configs.ModelServerConfig())
    (model,) = parsed.model_config_list.config
    assert model.model_platform == "tensorflow"
    assert model.base_path == f"/models/{model.name}"
    assert f"/v1/models/{model.name} " in " ".join(compose["healthcheck"]["test"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = container(manifests)[probe]["httpGet"]["path"]
        assert path.split("/")[:4] == ["", "v1", "models", model.name]


def test_batching_parameters_are_bounded():
    lines = [line for line in text("batching_parameters.txt").splitlines() if line[0] != "#"]
    values = {}
    for line in lines:
        found = re.fullmatch(r"(\w+) \{ value: (\d+) \}|(allowed_batch_sizes): (\d+)", line)
        assert found, line
        name, value = [part for part in found.groups() if part is not None]
        values.setdefault(name, []).append(int(value))
    sizes = values.pop("allowed_batch_sizes")
    assert set(values) == FIELDS
    assert all(len(v) == 1 and v[0] > 0 for v in values.values())
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == values["max_batch_size"][0]  # the server refuses to start otherwise


def test_monitoring_is_at_the_usual_path():
    assert re.search(r'path: "/monitoring/prometheus/metrics"', text("monitoring.config"))
    assert text("monitoring.config").count("{") == text("monitoring.config").count("}")
