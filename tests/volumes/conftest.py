from tests.services.conftest import ada, harbour

__all__ = ["ada", "harbour"]
