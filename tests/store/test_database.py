from __future__ import annotations

from store.database import Connection, migrate, open_pool, require_current


def test_migrating_twice_applies_nothing_the_second_time(conn: Connection) -> None:
    assert migrate(conn) == []
    require_current(conn)


def test_a_pool_hands_out_a_working_connection_after_its_connections_were_cut(
    database_url: str, conn: Connection
) -> None:
    with open_pool(database_url, application="pool", patience_s=30) as pool:
        with pool.connection() as one:
            one.execute("SELECT 1")
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pool'")
        conn.commit()
        for _ in range(5):
            with pool.connection() as one:
                assert one.execute("SELECT 1").fetchone() == (1,)
