"""Shared by all tests; the fixtures are in `tests.support`."""

pytest_plugins = [
    "tests.support.backing",
    "tests.support.stack",
    "tests.support.mailbox",
    "tests.support.clocks",
]
