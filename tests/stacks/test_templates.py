"""Templates of the repository load, and what could not work is refused when it is read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from backend.catalogue.loading import FILE
from backend.config import Settings
from backend.services.environment import check_variables
from backend.stacks import expressions, library, parameters, rendering
from backend.stacks.blueprint import Blueprint
from backend.volumes.paths import check_path
from tests.stacks.conftest import FIRST, SECOND

ROOT = Path(__file__).resolve().parents[2]
PLANS = {plan["id"] for plan in tomllib.loads(FILE.read_text())["plans"]}
GIVEN = {"token": "123456:" + "a" * 35, "api_key": "sk-1"}
ALL = list(library.read(library.FOLDER))


@pytest.mark.parametrize("blueprint", ALL, ids=lambda one: one.id)
def test_each_of_ours_can_be_made(blueprint: Blueprint, settings: Settings) -> None:
    given = {name: value for name, value in GIVEN.items() if name in blueprint.parameters}
    values = {f"parameter.{n}": v for n, v in parameters.check(blueprint, given).items()}
    values |= {f"secret.{n}": parameters.generate(one) for n, one in blueprint.secrets.items()}
    for part, one in rendering.render(settings, blueprint, "quay", values).items():
        check_variables(one.environment)
        assert one.said.plan in PLANS
        assert "${" not in "".join(one.environment.values()), part
        for volume in one.said.volumes.values():
            check_path(volume.path, "path")
        if one.said.example:
            assert (ROOT / "examples" / one.said.example).is_dir()
        if one.said.image:
            assert one.said.volumes or one.said.public


def test_the_issue_s_templates_are_there() -> None:
    wanted = {"n8n", "n8n-queue", "telegram-bot", "ai-agent", "postgres", "redis", "static-site", "fastapi"}
    assert {one.id for one in ALL} >= wanted


def test_n8n_is_set_up_as_its_documentation_says(settings: Settings) -> None:
    blueprint = library.read(library.FOLDER).newest("n8n-queue")
    assert blueprint
    made = {f"secret.{name}": f"made-{name}" for name in blueprint.secrets}
    values = {"parameter.time_zone": "Europe/Berlin", "parameter.workers": "3", **made}
    services = rendering.render(settings, blueprint, "flows", values)
    app, database, broker = services["app"], services["db"], services["redis"]
    assert list(services) == ["db", "redis", "app"]
    assert app.environment["WEBHOOK_URL"] == settings.app_url("flows") + "/"
    assert app.environment["EXECUTIONS_MODE"] == "queue"
    assert app.environment["DB_POSTGRESDB_HOST"] == database.name == "flows-db"
    assert app.environment["DB_POSTGRESDB_PASSWORD"] == database.environment["POSTGRES_PASSWORD"]
    assert app.environment["QUEUE_BULL_REDIS_HOST"] == broker.name == "flows-redis"
    assert app.environment["QUEUE_BULL_REDIS_PASSWORD"] == broker.environment["REDIS_PASSWORD"]
    assert app.environment["N8N_ENCRYPTION_KEY"] == "made-encryption_key"
    assert app.processes == {"worker": (3, "n8n worker")}
    assert [one.said.public for one in services.values()] == [False, False, True]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("${secret.password}", "${secret.nothing}", "secret.nothing"),
        ("${service.app.url}", "${service.app.__class__}", "__class__"),
        ("${service.app.url}", "${7*7}", "7*7"),
        ("${service.app.url}", "${parameter.harbour", "parameter.harbour"),
        ("${service.app.url}", "${service.db.url}", "service.db.url"),
        ('needs = ["db"]', 'needs = ["sea"]', "circle"),
        ('user = "postgres"', 'user = "postgres"\nneeds = ["app"]', "circle"),
        ("tides:1.0", "tides:latest", "latest"),
        ("registry.example.com/tides:1.0", "tides", "registry"),
        ("port = 3000\n", "", "port"),
        ("main = true\n", "", "main"),
        ("version = 1\n", "version = 3\n", "path"),
        ("version = 1\n", "version = 1\nscript = 'rm'\n", "script"),
        ("${parameter.workers}", "${parameter.harbour}", "number"),
        ('type = "secret"', 'type = "secret"\ndefault = "x"', "default"),
    ],
)
def test_what_is_wrong_names_the_file(tmp_path: Path, before: str, after: str, why: str) -> None:
    assert before in FIRST
    (tmp_path / "tides").mkdir()
    (tmp_path / "tides" / "1.toml").write_text(FIRST.replace(before, after, 1))
    with pytest.raises(library.TemplateInvalid, match=r"tides/1\.toml") as found:
        library.read(tmp_path)
    assert why in str(found.value)


def test_a_new_version_keeps_its_data_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "tides").mkdir()
    (tmp_path / "tides" / "1.toml").write_text(FIRST)
    (tmp_path / "tides" / "2.toml").write_text(SECOND)
    assert library.read(tmp_path).versions("tides") == [1, 2]
    (tmp_path / "tides" / "2.toml").write_text(SECOND.replace("/var/lib/postgresql/data", "/data"))
    with pytest.raises(library.TemplateInvalid, match="volumes"):
        library.read(tmp_path)


@pytest.mark.parametrize(
    ("second", "third", "why"),
    [
        (SECOND.replace("public = true\n", ""), None, "address"),
        (SECOND.replace("main = true\n", "").replace('user = "postgres"', "main = true"), None, "main"),
        (SECOND[: SECOND.index("[services.db]")], FIRST, "dropped before"),
    ],
)
def test_a_new_version_leaves_no_service_in_doubt(
    tmp_path: Path, second: str, third: str | None, why: str
) -> None:
    (tmp_path / "tides").mkdir()
    (tmp_path / "tides" / "1.toml").write_text(FIRST)
    second = second.replace("${service.db.host}:${service.db.port}", "db") if third else second
    second = second.replace('needs = ["db"]\n', "") if third else second
    second = second.replace("${service.app.url}", "x")
    (tmp_path / "tides" / "2.toml").write_text(second)
    if third is not None:
        assert set(library.read(tmp_path).get("tides", 2).services) == {"app"}  # type: ignore[union-attr]
        (tmp_path / "tides" / "3.toml").write_text(third.replace("version = 1\n", "version = 3\n"))
    with pytest.raises(library.TemplateInvalid, match=why):
        library.read(tmp_path)


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    values = {"parameter.a": "${secret.b} $(id) {{ 7*7 }}", "secret.b": "hidden"}
    assert expressions.fill("x ${parameter.a}", values) == "x ${secret.b} $(id) {{ 7*7 }}"
