"""A floor: SQLite alone.

It commits rows of a body each, so many in one synced transaction, for so many seconds.
"""

import json
import signal
import sys
import time

from pysqlite3 import dbapi2


def main(path: str, size: int, batch: int, seconds: float) -> None:
    """Commit, then print how many rows in how many seconds."""
    connection = dbapi2.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB)")
    insert = f"INSERT INTO event (body) VALUES {','.join(['(?)'] * batch)}"
    bodies = [b"x" * size] * batch
    count = 0
    begin, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, bodies)
        connection.execute("COMMIT")
        count += batch
    spent = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
    print(json.dumps({"events": count} | spent), flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
