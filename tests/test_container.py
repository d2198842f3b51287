"""The container file, built and run by buildah: no registry, no network, the two images below it made here.

The image to build in has a shell, four tools and a `cargo` that takes exactly what the file tells it and hands over the binary under
test; the image to run in has the C library and nothing else. Everything between them is the file's own doing.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
from gate import binary

ROOT = pathlib.Path(__file__).parent.parent
APT = """#!/bin/sh
case "$*" in "update" | "install --yes --no-install-recommends cmake") exit 0 ;; *) echo "apt-get $*" >&2; exit 9 ;; esac
"""
CARGO = """#!/bin/sh
[ "$*" = "build --release --locked --package portcullis" ] || { echo "cargo $*" >&2; exit 9; }
[ -f Cargo.lock ] && [ -f crates/portcullis/Cargo.toml ] || { echo "no sources" >&2; exit 9; }
for other in target .git .local; do [ ! -e $other ] || { echo "$other is in the image" >&2; exit 9; }; done
mkdir -p target/release && cp /tools/portcullis target/release/portcullis
"""


def missing() -> str | None:
    """Why no container can be built here; `.ci/run` installs buildah, and a namespace takes rights that some machines do not give."""
    if not shutil.which("buildah"):
        return "buildah is not installed"
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=10, check=False)
    return None if os.geteuid() == 0 and probe.returncode == 0 else "no right to a mount namespace"


def with_libraries(program: pathlib.Path, folder: pathlib.Path, place: str | None = None) -> None:
    """Copies a program, and what it is linked to at the places where the linker looks."""
    if place is not None:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, folder / place)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=10, check=True).stdout
    for library in re.findall(r"/[^ )]+", linked):
        target = folder / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pathlib.Path(library).resolve(), target)


class Buildah:
    """Buildah with a store of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.words = ["buildah", "--storage-driver", "vfs", "--root", str(folder / "root"), "--runroot", str(folder / "run")]

    def __call__(self, *words: object) -> str:
        done = subprocess.run([*self.words, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout.strip()

    def base(self, name: str, files: pathlib.Path) -> str:
        """An image of these files."""
        recipe = self.folder / f"{name}.containerfile"
        recipe.write_text(f"FROM scratch\nCOPY {files.name} /\n")
        self("bud", "-q", "--isolation", "chroot", "-f", recipe, "-t", f"localhost/{name}", files.parent)
        return f"localhost/{name}"


@pytest.fixture(scope="module")
def image() -> Iterator[Buildah]:
    """The image `localhost/portcullis`; skipped, and said so, where none can be built."""
    if why := missing():
        pytest.skip(f"the container file is not built: {why}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="portcullis-container-"))
    buildah = Buildah(folder)
    build, base = folder / "build", folder / "base"
    for tool in ("sh", "mkdir", "cp", "chmod", "rm"):
        with_libraries(pathlib.Path(shutil.which(tool)).resolve(), build, f"bin/{tool}")
    (build / "usr/bin").mkdir(parents=True)
    (build / "tools").mkdir()
    for name, script in (("apt-get", APT), ("cargo", CARGO)):
        (build / "usr/bin" / name).write_text(script)
        (build / "usr/bin" / name).chmod(0o755)
    shutil.copy(binary(), build / "tools/portcullis")
    with_libraries(pathlib.Path(binary()), base)
    arguments = ["--build-arg", f"BUILD_IMAGE={buildah.base('build', build)}", "--build-arg", f"BASE_IMAGE={buildah.base('base', base)}"]
    recipe = ROOT / "packaging/container/Containerfile"
    try:
        buildah("bud", "--isolation", "chroot", "--format", "docker", "-f", recipe, *arguments, "-t", "localhost/portcullis", ROOT)
        yield buildah
    finally:
        subprocess.run([*buildah.words, "rm", "--all"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def tree(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Every file with its length and the time of its last change."""
    found = [path for path in folder.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


def test_the_image_is_one_program_for_a_user_without_rights(image: Buildah) -> None:
    told = json.loads(image("inspect", "--type", "image", "localhost/portcullis"))["Docker"]["config"]
    assert (told["User"], told["Entrypoint"], told["Cmd"]) == ("65532:65532", ["/usr/bin/portcullis"], ["run"])
    assert (told["Volumes"], told["ExposedPorts"], told["StopSignal"]) == ({"/data": {}}, {"7700/tcp": {}}, "SIGTERM")
    assert told["Healthcheck"]["Test"] == ["CMD", "/usr/bin/portcullis", "health"]
    assert "PORTCULLIS_DATA=/data" in told["Env"]
    container = image("from", "--pull-never", "localhost/portcullis")
    mounted = pathlib.Path(image("mount", container))
    own = {name for name in tree(mounted) if not re.match(r"(usr/)?lib(64)?/", name)}
    assert own == {"usr/bin/portcullis"}, "nothing but the program, and no shell"
    for path in [mounted, *mounted.rglob("*")]:
        if path.is_symlink() or path == mounted / "data":
            continue
        status = path.lstat()
        assert status.st_uid == 0 and not status.st_mode & (stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), path
    data = (mounted / "data").stat()
    assert (data.st_uid, data.st_gid, stat.S_IMODE(data.st_mode)) == (65532, 65532, 0o700)


def free_port() -> int:
    """A port that nobody has; the gate in the container shares the machine's addresses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_gate_starts_in_it_is_healthy_and_writes_below_data_alone(image: Buildah) -> None:
    container = image("from", "--pull-never", "localhost/portcullis")
    mounted = pathlib.Path(image("mount", container))
    before = tree(mounted)
    run = ["run", "--isolation", "chroot", container, "--", "/usr/bin/portcullis"]
    image(*run, "init")
    [config] = (image.folder / "root").rglob("portcullis.yaml")
    assert config.stat().st_uid == 65532
    text = config.read_text()
    assert ":7700" in text and ":7701" in text, text
    config.write_text(text.replace(":7700", f":{free_port()}").replace(":7701", f":{free_port()}"))
    gate = subprocess.Popen([*image.words, *run, "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        lines = []
        for line in gate.stdout:
            lines.append(line)
            if "ready" in line:
                break
        assert lines and "ready" in lines[-1], lines
        image(*run, "health")
        user = subprocess.run(["ps", "-o", "uid=,args=", "-g", str(os.getpgid(gate.pid))], capture_output=True, text=True, timeout=10, check=False)
        rows = [row for row in user.stdout.splitlines() if re.match(r"\s*\d+ /usr/bin/portcullis run", row)]
        assert [row.split()[0] for row in rows] == ["65532"], user.stdout
    finally:
        os.killpg(os.getpgid(gate.pid), signal.SIGTERM)
        deadline = time.monotonic() + 30
        while gate.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        gate.kill()
        gate.stdout.close()
    # Buildah lays its own files over these, and leaves empty ones behind.
    after = {name: seen for name, seen in tree(mounted).items() if name not in ("etc/hosts", "etc/hostname", "etc/resolv.conf")}
    assert after == before, "nothing is written outside of /data"
