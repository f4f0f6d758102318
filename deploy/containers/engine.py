"""A Docker engine, and images for it, on a Debian machine that has neither engine nor registry.

Belongs here: Debian's engine, unpacked and started in a network of its own, so that it changes
nothing of the machine's; images built by buildah on a root file system of Debian's. Does not belong
here: what is tried with them (`__main__.py`).
"""

import contextlib
import hashlib
import lzma
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.servers import util_linux

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MIRROR = "https://deb.debian.org/debian"
# Debian 12 has the engine; Compose that knows optional files of settings is in 13.
ENGINE = ("docker.io", "containerd", "runc", "tini")
COMPOSE = ("trixie", "docker-compose")
BASE = "localhost/python-stand-in"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class CannotRehearse(Exception):
    """Something that the rehearsal needs is not there; says what."""


@dataclass(frozen=True)
class Engine:
    """An engine below a folder that holds everything of it, its images too."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def environment(self) -> dict[str, str]:
        """In which `docker` and `docker compose` find this engine."""
        programs = self.folder / "programs" / "usr"
        path = f"{programs}/bin:{programs}/sbin:{os.environ['PATH']}:/usr/sbin:/sbin"
        return os.environ | {"PATH": path, "DOCKER_HOST": f"unix://{self.socket}"}

    @property
    def compose(self) -> list[str]:
        return [str(self.folder / "programs/usr/libexec/docker/cli-plugins/docker-compose")]

    @property
    def inside(self) -> list[str]:
        """What to put before a command to run it where the published ports are."""
        process = (self.folder / "docker.pid").read_text().strip()
        return [util_linux("nsenter"), "-t", process, "-n"]

    def install(self) -> None:
        """Unpack the programs and make the image that stands in for Python's own."""
        if os.geteuid() != 0:
            raise CannotRehearse("without an engine, images are built by root")
        self.folder.mkdir(parents=True, exist_ok=True)
        pairs = [f"{name}={name}" for name in ("buildah", "debootstrap", "curl")]
        run(["sh", str(ROOT / "deploy" / "install-servers.sh"), *pairs])
        packages = self.folder / "packages"
        packages.mkdir(exist_ok=True)
        run(["apt-get", "download", "-q", *ENGINE], cwd=packages)
        _download(*COMPOSE, packages)
        for package in packages.glob("*.deb"):
            run(["dpkg-deb", "-x", str(package), str(self.folder / "programs")])
        self._make_base()

    def _make_base(self) -> None:
        """Debian with its Python 3.11, and the certificates of this machine."""
        system = self.folder / "base"
        packages = "--include=python3,python3-venv,ca-certificates"
        run(["debootstrap", "--variant=minbase", packages, "bookworm", str(system), MIRROR])
        shutil.copyfile(os.environ.get("SSL_CERT_FILE", _CERTIFICATES), f"{system}{_CERTIFICATES}")
        made = self._buildah("from", "scratch").strip()
        self._buildah("add", "-q", made, str(system), "/")
        for name in ("SSL_CERT_FILE", "PIP_CERT"):
            self._buildah("config", "--env", f"{name}={_CERTIFICATES}", made)
        self._buildah("config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", made)
        self._buildah("commit", "-q", made, BASE)
        self._buildah("rm", made)
        shutil.rmtree(system)

    def build(self, dockerfile: Path, target: str, name: str) -> None:
        """Build one target under a name."""
        self._buildah(
            *("bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers"),
            *("--format", "docker", "--build-arg", f"BASE={BASE}", "-f", str(dockerfile)),
            *("--target", target, "-t", name, str(ROOT)),
        )

    def load(self, name: str) -> None:
        """Give a built image to the engine."""
        archive = self.folder / "image.tar"
        archive.unlink(missing_ok=True)
        self._buildah("push", "-q", name, f"docker-archive:{archive}:{name}:latest")
        run(["docker", "load", "-q", "-i", str(archive)], env=self.environment)
        archive.unlink()

    def start(self) -> None:
        """Start the engine in namespaces of its own: the machine's network stays as it is."""
        script = (
            "ip link set lo up && exec dockerd --storage-driver overlay2 "
            f"--data-root {self.folder}/images --exec-root {self.folder}/state "
            f"--pidfile {self.folder}/docker.pid --host unix://{self.socket}"
        )
        command = [util_linux("unshare"), "--net", "--mount", "--", "sh", "-c", script]
        with (self.folder / "engine.log").open("w") as log:
            subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while subprocess.run(
            ["docker", "version"], env=self.environment, capture_output=True, check=False
        ).returncode:
            if time.monotonic() > deadline:
                raise CannotRehearse(f"the engine does not start: {self.folder}/engine.log")
            time.sleep(1)

    def stop(self) -> None:
        """Stop the engine, if it runs, and wait for its end."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            process = int((self.folder / "docker.pid").read_text())
            os.kill(process, signal.SIGTERM)
            while Path(f"/proc/{process}").exists():
                time.sleep(0.2)

    def remove(self) -> None:
        """Forget everything: images, packages, data."""
        self.stop()
        shutil.rmtree(self.folder)

    def _buildah(self, *words: str) -> str:
        places = ["--root", f"{self.folder}/layers", "--runroot", f"{self.folder}/run"]
        temporary = self.folder / "temporary"  # of which buildah makes caches of builds, too
        temporary.mkdir(exist_ok=True)
        command = ["nice", "buildah", *places, "--storage-driver", "overlay", *words]
        return run(command, env=os.environ | {"TMPDIR": str(temporary)})


def run(
    command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT, words: str = ""
) -> str:
    """What a command prints. Raises CannotRehearse with the end of what it says when it fails."""
    done = subprocess.run(
        command, env=env, cwd=cwd, input=words, capture_output=True, text=True, check=False
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise CannotRehearse(f"{' '.join(command)[:300]}: exit code {done.returncode}\n{end}")
    return done.stdout


def _download(suite: str, package: str, folder: Path) -> None:
    """A package of another Debian, by that Debian's list and with its checksum."""
    with urllib.request.urlopen(f"{MIRROR}/dists/{suite}/main/binary-amd64/Packages.xz") as answer:
        stanzas = lzma.decompress(answer.read()).decode().split("\n\n")
    found = next(text for text in stanzas if text.startswith(f"Package: {package}\n"))
    facts = dict(line.split(": ", 1) for line in found.splitlines() if ": " in line)
    with urllib.request.urlopen(f"{MIRROR}/{facts['Filename']}") as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != facts["SHA256"]:
        raise CannotRehearse(f"{facts['Filename']} is not what Debian's list says")
    (folder / Path(facts["Filename"]).name).write_bytes(content)
