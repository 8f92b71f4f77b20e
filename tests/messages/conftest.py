from tests.analytics.conftest import constructor  # noqa: F401 -- one body for all engines
