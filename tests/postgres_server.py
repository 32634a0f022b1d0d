"""A PostgreSQL server for tests: its own data in a folder of its own, on a free port of 127.0.0.1, with a password.

It is started by the first test that needs one, and stopped and removed when its process ends, however that ends: a keeper
waits for the end of a pipe. Run as a script with the folder, this is the keeper; without it, it says whether PostgreSQL is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote

NEEDED = "TESTS_NEED_POSTGRES"
"""The variable that makes a missing PostgreSQL a failure."""
_KNOWN = "TESTS_POSTGRES"
"""The variable by which a child finds the server of its parent."""
UNPRIVILEGED = 65534
"""The user that owns nothing: the server refuses to run as root."""
PASSWORD = "s3cret-word"
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = off
max_connections = 60
shared_buffers = 16MB
timezone = 'Asia/Kolkata'
deadlock_timeout = 100ms
log_min_messages = fatal
"""


def binaries():
    """The folder of PostgreSQL's programs, or None."""
    places = [Path(found).parent for found in [shutil.which("initdb")] if found]
    if shutil.which("pg_config"):
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(asked.stdout.strip()))
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


class Server:
    """The server whose data are in ``folder``."""

    def __init__(self, folder, port):
        self.folder, self.port = Path(folder), port

    @classmethod
    def started(cls):
        folder = Path(tempfile.mkdtemp(prefix="smsbridge-postgres-"))
        with socket.create_server(("127.0.0.1", 0)) as found:
            server = cls(folder, found.getsockname()[1])
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, UNPRIVILEGED)
        keeper = subprocess.Popen(
            [sys.executable, __file__, folder], stdin=subprocess.PIPE, start_new_session=True, close_fds=True
        )
        server.keeper = keeper
        server.run(
            "initdb",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
            "-U",
            "owner",
            "-A",
            "scram-sha-256",
            "--pwfile",
            folder / "password",
        )
        with (folder / "data/postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION.format(port=server.port, folder=folder))
        server.start()
        os.environ[_KNOWN] = f"{folder}|{server.port}"
        return server

    @classmethod
    def known(cls):
        """The one that this process, or its parent, has started."""
        return cls(*os.environ[_KNOWN].split("|"))

    def url(self, user="owner", password=PASSWORD, database="postgres", schema=None, **options):
        given = {"options": f"-csearch_path={schema}"} if schema else {}
        query = "&".join(f"{name}={quote(str(value))}" for name, value in {**given, **options}.items())
        return f"postgresql://{user}:{quote(password)}@127.0.0.1:{self.port}/{database}" + (
            f"?{query}" if query else ""
        )

    def schema(self, place):
        """The schema of a test's folder, made if need be."""
        name = f"t{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"
        self.ask(f"CREATE SCHEMA IF NOT EXISTS {name}")
        return name

    def ask(self, *statements, schema=None):
        """The rows of the last of ``statements``."""
        import psycopg

        with psycopg.connect(self.url(schema=schema), autocommit=True) as database:
            for statement in statements:
                found = database.execute(statement)
            return found.fetchall() if found.description else []

    def start(self):
        self.run("pg_ctl", "start", "-w", "-s", "-l", self.folder / "log")

    def restart(self, mode="fast"):
        self.run("pg_ctl", "restart", "-w", "-s", "-m", mode, "-l", self.folder / "log")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def remove(self):
        self.keeper.stdin.close()
        self.keeper.wait(timeout=60)
        os.environ.pop(_KNOWN, None)

    def run(self, program, *arguments, check=True):
        words = [binaries() / program, *arguments]
        if os.getuid() == 0:
            words = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", *words]
        environ = {
            "PGDATA": str(self.folder / "data"),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "HOME": str(self.folder),
        }
        done = subprocess.run(
            words,
            env=environ,
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=120,
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")


@cache
def server():
    """The server of this process. Raises LookupError where PostgreSQL is not installed."""
    if binaries() is None:
        raise LookupError("PostgreSQL is not installed: apt-get install postgresql")
    return Server.started()


def postgres_book(request, place):
    """A ledger's book in a schema of its own, for a test that is parametrised by store."""
    from smsbridge_postgres.book import PostgresBook

    server = request.getfixturevalue("postgres")
    return PostgresBook(server.url(schema=server.schema(place)))


def keep(folder):
    sys.stdin.buffer.read()
    Server(folder, 0).run("pg_ctl", "stop", "-s", "-m", "immediate", check=False)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        keep(sys.argv[1])
    elif binaries() is None:
        sys.exit("PostgreSQL is not installed")
