"""The engine that the settings name."""

from __future__ import annotations

import base64

from backend.config import Settings
from backend.engines.base import Engine, ProcessEngineSettings
from backend.engines.docker.registrylogin import RegistryLogin
from backend.engines.process import ProcessEngine


def make_engine(settings: Settings) -> Engine:
    secret = base64.b64decode(settings.engine_secret.get_secret_value())[:32]
    if settings.engine == "docker":
        # Only where it is used: docker-py takes half a second to import.
        from backend.engines.docker.bases import BaseImages
        from backend.engines.docker.engine import DockerEngine
        from backend.engines.docker.settings import DockerEngineSettings

        return DockerEngine(
            DockerEngineSettings(
                home=settings.engine_home,
                host=settings.docker_host,
                swarm_address=settings.docker_swarm_address,
                secret=secret,
                allowed_private=settings.git_allowed_private,
                fetch_timeout=settings.fetch_timeout_seconds,
                fetch_max_bytes=settings.fetch_max_bytes,
                build_timeout=settings.build_timeout_seconds,
                build_max_bytes=settings.build_max_bytes,
                image_max_bytes=settings.image_max_bytes,
                build_cgroup_parent=settings.build_cgroup_parent,
                build_reserve_bytes=settings.build_reserve_bytes,
                registries=settings.build_registries,
                ca_bundle=settings.build_ca_bundle,
                images=BaseImages(
                    python=settings.build_python_image,
                    node=settings.build_node_image,
                    go=settings.build_go_image,
                    go_runtime=settings.build_go_runtime_image,
                    static=settings.build_static_image,
                ),
                shared=_shared(settings),
                node_socket=settings.docker_node_socket,
                port_range=settings.app_ports,
                restarts=settings.app_restarts,
            )
        )
    assert settings.engine_socket is not None
    return ProcessEngine(
        ProcessEngineSettings(
            home=settings.engine_home,
            supervisor_socket=settings.engine_socket,
            secret=secret,
            allowed_private=settings.git_allowed_private,
            fetch_timeout=settings.fetch_timeout_seconds,
            fetch_max_bytes=settings.fetch_max_bytes,
            build_timeout=settings.build_timeout_seconds,
            build_max_bytes=settings.build_max_bytes,
            port_range=settings.app_ports,
        )
    )


def _shared(settings: Settings) -> RegistryLogin | None:
    if not settings.docker_registry:
        return None
    password = settings.docker_registry_password
    return RegistryLogin(
        settings.docker_registry,
        settings.docker_registry_user,
        password.get_secret_value() if password is not None else "",
    )
