"""The configuration refuses what is not safe, and says why; `.env.example` is tested with `embedded`."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from backend.config import WEAK_PASSWORDS, Settings, get_settings, use
from tests.support.backing import make_settings

Make = Callable[..., Settings]


def strong() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make(tmp_path) -> Make:  # type: ignore[no-untyped-def]
    return lambda **changes: make_settings(tmp_path, tmp_path, "gavan", 0, **changes)


def reasons(make: Make, **changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        make(**changes)
    return str(refused.value)


def test_secrets_have_no_default() -> None:
    secret = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    assert set(secret) == {"secret_key", "database_url", "redis_url", "engine_secret"}
    assert all(Settings.model_fields[name].is_required() for name in secret)
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None)  # type: ignore[call-arg]
    missing = {error["loc"][0] for error in refused.value.errors() if error["type"] == "missing"}
    assert set(secret) <= missing


@pytest.mark.parametrize("name", ["secret_key", "engine_secret"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "changeme",
        "not base64 at all!",
        base64.b64encode(b"short").decode(),
        base64.b64encode(bytes(range(31))).decode(),
        base64.b64encode(b"\0" * 32).decode(),
        base64.b64encode(b"password" * 8).decode(),
        base64.b64encode(b"abcabcabc" * 8).decode(),
    ],
)
def test_weak_keys_are_refused_everywhere(make: Make, name: str, value: str) -> None:
    for environment in ("development", "production"):
        said = reasons(make, environment=environment, **{name: value})
        assert name in said
        # And not quoted.
        assert not value or value not in said


def test_a_strong_key(make: Make) -> None:
    key = strong()
    assert make(secret_key=key).master_key == base64.b64decode(key)


@pytest.mark.parametrize(
    "value", ["", "20000", "20000-", "1-9", "30000-20000", "a-b", "20000-70000", "２００００-３００００"]
)
def test_ports_of_apps_are_a_range(make: Make, value: str) -> None:
    assert "must be two ports" in reasons(make, app_ports=value)
    assert make(app_ports="21000-21000").app_ports == (21000, 21000)


GOOD: dict[str, Any] = {
    "environment": "production",
    "panel_url": "https://panel.example.com",
    "apps_url": "https://{name}.example.com",
    "database_url": "postgresql://gavan:a-very-long-one@db/gavan",
    "redis_url": "redis://:a-very-long-one@redis/0",
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"panel_url": "http://panel.example.com"}, "PANEL_URL must be https"),
        ({}, "ENGINE=process does not isolate"),
        ({"git_allowed_private": "10.0.0.0/8"}, "GIT_ALLOWED_PRIVATE opens the internal network"),
        *(
            ({"database_url": f"postgresql://gavan{pair}@db/gavan"}, "DATABASE_URL has no password")
            for pair in ("", ":", *(f":{weak}" for weak in sorted(WEAK_PASSWORDS - {""})))
        ),
        ({"database_url": "postgresql://db/gavan"}, "DATABASE_URL has no password"),
        ({"redis_url": "redis://redis/0"}, "REDIS_URL has no password"),
        ({"redis_url": "redis://:redis@redis/0"}, "REDIS_URL has no password"),
    ],
    ids=str,
)
def test_production_refuses(make: Make, changes: dict[str, Any], reason: str) -> None:
    assert reason in reasons(make, **GOOD | changes)


def test_production_says_all_reasons_at_once(make: Make) -> None:
    said = reasons(
        make,
        environment="production",
        panel_url="http://x",
        database_url="postgresql://db/x",
        redis_url="redis://redis/0",
        git_allowed_private="127.0.0.1:1",
    )
    for word in ("PANEL_URL", "ENGINE", "DATABASE_URL", "REDIS_URL", "GIT_ALLOWED_PRIVATE"):
        assert word in said


def test_a_refusal_quotes_no_secret(make: Make) -> None:
    hidden, key = "hidden-password", strong()
    urls = dict.fromkeys(("database_url", "redis_url"), f"redis://:{hidden}@db/0")
    said = reasons(make, **GOOD | urls | {"secret_key": key, "panel_url": "http://x"})
    assert hidden not in said
    assert key not in said


def test_production_refuses_the_engine_that_does_not_isolate(make: Make) -> None:
    """What is good is not complained about, so with containers nothing is left."""
    said = reasons(make, **GOOD)
    assert "ENGINE=process" in said
    assert not any(word in said for word in ("PANEL_URL", "DATABASE_URL", "REDIS_URL", "GIT_ALLOWED"))
    settings = make(**GOOD | {"engine": "docker", "engine_socket": ""})
    assert settings.docker_host == "unix:///var/run/docker.sock"


def test_processes_need_their_supervisor(make: Make) -> None:
    assert "ENGINE_SOCKET" in reasons(make, engine_socket="")


def test_without_a_word_it_is_production() -> None:
    assert Settings.model_fields["environment"].default == "production"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "staging"),
        ("engine", "podman"),
        ("docker_swarm_address", "localhost"),
        ("docker_swarm_address", "::1"),
        ("apps_url", "https://apps.example.com"),
        ("access_token_expire_minutes", 0),
        ("access_token_expire_minutes", 1441),
        ("refresh_token_expire_days", 0),
        ("fetch_timeout_seconds", 0),
        ("build_max_bytes", 0),
        ("health_timeout_seconds", -1),
        ("deployments_kept", 0),
        ("job_lease_seconds", 0.5),
        ("job_relay_seconds", 0),
        ("reconcile_seconds", 0),
        ("services_per_project", 0),
        ("audit_retention_days", 29),
        ("guess_free_tries", 0),
        ("guess_longest_delay_seconds", 0),
        ("database_pool_size", 1),
        ("log_level", "LOUD"),
        ("log_format", "xml"),
    ],
)
def test_out_of_bounds(make: Make, name: str, value: object) -> None:
    assert name in reasons(make, **{name: value})


def test_lists_are_written_with_commas(make: Make) -> None:
    settings = make(git_allowed_private=" a.lan:1 , 10.0.0.0/8,, ", trusted_proxies="127.0.0.1")
    assert settings.git_allowed_private == ("a.lan:1", "10.0.0.0/8")
    assert settings.trusted_proxies == ("127.0.0.1",)
    assert make(trusted_proxies="").trusted_proxies == ()


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "https://", "https://*.example.com", "app.example.com", "https://app.example.com/"),
        *(
            "https://app.example.com/path",
            "https://App.example.com",
            "https://user@app.example.com",
            "file://x",
        ),
    ],
)
def test_origins_are_origins(make: Make, origin: str) -> None:
    assert "cors_origins" in reasons(make, cors_origins=f"https://app.example.com,{origin}")


def test_proxies_are_networks(make: Make) -> None:
    assert "trusted_proxies" in reasons(make, trusted_proxies="10.0.0.0/8,proxy.example.com")
    assert make(trusted_proxies="10.0.0.1, fd00::/8").trusted_proxies == ("10.0.0.1", "fd00::/8")


def test_nothing_secret_is_shown(make: Make) -> None:
    settings = make(database_url="postgresql://gavan:hidden-password@db/gavan")
    for secret in ("hidden-password", settings.secret_key.get_secret_value()):
        assert secret not in repr(settings)
        assert secret not in str(settings)
        assert secret not in settings.model_dump_json()


def test_addresses(make: Make) -> None:
    settings = make(panel_url="http://localhost:8080/", apps_url="http://{name}.localhost:8080/")
    assert settings.panel_url == "http://localhost:8080"
    assert settings.app_url("hello") == "http://hello.localhost:8080"
    assert settings.sqlalchemy_url().startswith("postgresql+asyncpg://")


def test_the_environment_is_read_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = use(make())
    monkeypatch.setenv("PANEL_URL", "http://elsewhere")
    assert get_settings() is settings
    assert "elsewhere" in os.environ["PANEL_URL"]


def test_they_are_a_key(settings: Settings) -> None:
    """What is made once per settings is kept by them (`celery.publish`): no field is a list."""
    assert hash(settings) == hash(settings.model_copy())


def test_the_mirror_of_templates_images_begins_with_a_host(make: Make) -> None:
    for place in ("", "mirror.example.com", "127.0.0.1:5000/hub", "[::1]:5000", "localhost/a/b"):
        assert make(template_registry=place).template_registry == place
    for place in ("https://mirror.example.com", "hub", "mirror.example.com/", "m.example.com:99999", "a b.c"):
        assert "template_registry" in reasons(make, template_registry=place)
