"""Runs deploy/compose.yaml without Docker: each service's command in a root of its own, with the files,
account, rights and read-only root that it names.

Kernel features replace Docker: a mount namespace, a small root with bind mounts, chroot and setpriv. Network
and ports are those of the machine, so free ports replace the named ones.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from insitu.embedded.broker_program import wheel_binary
from tests.deploy.own_servers import DEPLOY

TOP = DEPLOY.parent
IMAGE_USER = "10001:10001"
Service = Mapping[str, Any]


def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text))
    return read


def seconds(text: str) -> int:
    """Seconds of a duration in compose: 90s, 2m."""
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def is_possible() -> bool:
    """Whether this is root with the right to make mount namespaces; in many containers root has no such
    right.
    """
    return (
        os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    )


@dataclass(frozen=True)
class Host:
    """Takes the place of the machine that runs Docker: `folder`/deploy holds secrets and certificates,
    `folder`/volumes the volumes.
    """

    folder: Path
    ports: Mapping[int, int]
    extra: Mapping[str, Path] = field(default_factory=dict)
    """Further bind mounts: path inside → file outside."""

    def moved(self, text: str) -> str:
        """Replaces the ports in `text` by free ones on the loopback."""
        for port, free in self.ports.items():
            text = re.sub(rf"(?<![0-9.]){port}(?!\d)", str(free), text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def source(self, kind: str, name: str) -> Path:
        return self.folder / "deploy" / compose()[kind][name]["file"]

    def mounts(self, service: Service) -> dict[str, Path]:
        found = dict(self.extra)
        for kind in ("secrets", "configs"):
            for entry in service.get(kind, []):
                given = (
                    entry if isinstance(entry, dict) else {"source": entry, "target": f"/run/secrets/{entry}"}
                )
                found[given["target"]] = self.source(kind, given["source"])
        for volume in service.get("volumes", []):
            name, target, *_ = volume.split(":")
            found[target] = self.folder / "deploy" / name if name.startswith(".") else self.volume(name)
        return found

    def volume(self, name: str) -> Path:
        """Folder of a volume. The account owns empty volumes: the image has their folders, and Docker copies
        owner and mode.
        """
        place = self.folder / "volumes" / name
        if not place.exists():
            place.mkdir(parents=True, mode=0o700)
            os.chown(place, 10001, 10001)
        return place

    def command(self, name: str, *arguments: str, entrypoint: Sequence[str] | None = None) -> list[str]:
        """Command line that runs a service; `arguments` as after `docker compose run`."""
        service = compose()["services"][name]
        program = list(
            entrypoint or service.get("entrypoint", [wheel_binary() if name == "broker" else "insitu"])
        )
        words = [str(word) for word in (*program, *(arguments or service["command"]))]
        if words[0] == "insitu":
            words[:1] = [sys.executable, "-m", "cli"]
        words = [words[0], *(self.moved(word) for word in words[1:])]
        return ["unshare", "-m", "bash", "-euc", self._script(service, words)]

    def _script(self, service: Service, words: Sequence[str]) -> str:
        user, group = service.get("user", IMAGE_USER).split(":")
        rights = ",".join(["-all", *(f"+{right.lower()}" for right in service.get("cap_add", []))])
        given = {key: self.moved(value) for key, value in service.get("environment", {}).items()}
        given |= {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(TOP),
            "INSITU_DATA_DIR": "/var/lib/insitu",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        lines = [
            f"R={shlex.quote(str(self.folder / 'root'))}",
            'mkdir -p "$R"',
            'mount -t tmpfs -o mode=755 none "$R"',
            'cd "$R"',
        ]
        lines += [
            "mkdir -p etc run tmp var/lib/insitu",
            "chown 10001:10001 var/lib/insitu",
            "mount -t tmpfs none tmp",
        ]
        lines += ["cp -a /bin /sbin /lib /lib64 . 2>/dev/null || true"]  # links into /usr
        lines += [
            f"echo {shlex.quote(f'insitu:x:{IMAGE_USER}::/var/lib/insitu:/bin/false')} > etc/passwd",
            "cp /etc/ld.so.cache etc/",
        ]
        lines += [
            "echo '127.0.0.1 localhost database broker' > etc/hosts",
            "echo 'hosts: files' > etc/nsswitch.conf",
        ]
        inside = {
            place: Path(place)
            for place in ("/usr", "/proc", "/dev", sys.base_prefix, str(Path(sys.prefix).resolve()), str(TOP))
        }
        for target, source in (inside | self.mounts(service)).items():
            make = "mkdir -p" if source.is_dir() else "install -D /dev/null"
            lines.append(
                f"{make} {shlex.quote('.' + target)} && mount --rbind {shlex.quote(str(source))} "
                f"{shlex.quote('.' + target)}"
            )
        lines.append('mount -o remount,ro "$R"')
        become = (
            f"setpriv --reuid={user} --regid={group} --clear-groups --no-new-privs --inh-caps=-all "
            f"--bounding-set={rights}"
        )
        environment = shlex.join(["env", "-i", *(f"{key}={value}" for key, value in given.items())])
        lines.append(f'exec chroot "$R" {become} {environment} {shlex.join(words)}')
        return "\n".join(lines)


def health_check() -> list[str]:
    """Command of the image's health check."""
    found = re.search(
        r"^HEALTHCHECK .* CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    assert found
    words: list[str] = json.loads(found[1])
    return words
