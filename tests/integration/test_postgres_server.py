"""The PostgreSQL server of the tests: a real one, with a database for each test, skipped only where that is allowed."""

import postgres_server
import pytest


def test_each_test_has_a_database_of_its_own(postgres):
    """What is written into one database of the real server is not in another one."""
    import psycopg

    with psycopg.connect(postgres.new_database(), autocommit=True) as one, psycopg.connect(postgres.new_database()) as other:
        one.execute("CREATE TABLE note (text TEXT)")

        assert "PostgreSQL" in one.execute("SELECT version()").fetchone()[0]
        assert one.execute("SELECT to_regclass('note') IS NULL").fetchone() == (False,)
        assert other.execute("SELECT to_regclass('note') IS NULL").fetchone() == (True,)


def test_without_its_packages_a_test_is_skipped(monkeypatch):
    """On a machine without the extra, the tests on PostgreSQL are skipped, and say what to install."""
    monkeypatch.setattr(postgres_server, "PACKAGES", ("no_such_package.inner",))
    monkeypatch.delenv(postgres_server.REQUIRED, raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"no_such_package.inner is not installed: pip install"):
        postgres_server.require()


def test_without_its_packages_a_required_test_fails(monkeypatch):
    """Where the tests on PostgreSQL are required, the absent extra is a failure."""
    monkeypatch.setattr(postgres_server, "PACKAGES", ("no_such_package",))
    monkeypatch.setenv(postgres_server.REQUIRED, "1")

    with pytest.raises(pytest.fail.Exception, match="HARNESS_REQUIRE_POSTGRES is set, but no_such_package is not installed"):
        postgres_server.require()
