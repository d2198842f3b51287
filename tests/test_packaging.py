"""What is shipped beside the binary: manual pages, completions, the systemd unit, the container file."""

import pathlib
import re
import shutil
import subprocess

import pytest
from gate import binary

ROOT = pathlib.Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"


def run(*arguments: object) -> subprocess.CompletedProcess:
    """One command of the gate."""
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def commands(*above: str) -> set[tuple[str, ...]]:
    """Every command and subcommand, from the help texts."""
    text = run(*above, "--help").stdout
    section = re.search(r"^Commands:\n(.*?)\n\n", text, re.M | re.S)
    found: set[tuple[str, ...]] = set()
    for name in re.findall(r"^  ([a-z][a-z-]*)\b", section.group(1) if section else "", re.M):
        if name != "help":
            found |= {(*above, name)} | commands(*above, name)
    return found


def test_every_command_has_a_manual_page(tmp_path: pathlib.Path) -> None:
    assert run("man", tmp_path / "man").returncode == 0
    pages = {path.name for path in (tmp_path / "man").iterdir()}
    every = commands()
    assert len(every) > 20
    assert pages == {"portcullis.1"} | {"portcullis-" + "-".join(command) + ".1" for command in every}
    assert ".TH" in (tmp_path / "man/portcullis-backup.1").read_text()
    if shutil.which("groff"):
        for page in (tmp_path / "man").iterdir():
            shown = subprocess.run(["groff", "-Kutf8", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True, timeout=30, check=False)
            assert shown.returncode == 0 and "warning" not in shown.stderr, (page, shown.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "elvish", "powershell"])
def test_completion(shell: str, tmp_path: pathlib.Path) -> None:
    script = run("completion", shell)
    assert script.returncode == 0
    for word in ("backup", "restore", "doctor", "with-keys"):
        assert word in script.stdout, word
    if shell == "bash" and shutil.which("bash"):
        path = tmp_path / "completion"
        path.write_text(script.stdout)
        assert subprocess.run(["bash", "-n", path], timeout=30, check=False).returncode == 0


def directives(unit: pathlib.Path) -> dict[str, list[str]]:
    """The directives of a unit, with all their values."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_hardened_and_names_commands_that_are_there(tmp_path: pathlib.Path) -> None:
    path = PACKAGING / "systemd/portcullis.service"
    unit = directives(path)
    for key, value in {
        "User": "portcullis",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "MemoryDenyWriteExecute": "yes",
        "CapabilityBoundingSet": "",
        "PrivateUsers": "yes",
        "UMask": "0077",
        "StateDirectoryMode": "0700",
        "LimitCORE": "0",
    }.items():
        assert unit[key] == [value], key
    assert "@system-service" in unit["SystemCallFilter"]
    for key in ("ExecStart", "ExecStartPre"):
        program, *words = unit[key][0].split()
        assert program == "/usr/bin/portcullis"
        assert run(*words, "--help").returncode == 0, words
    if not shutil.which("systemd-analyze"):
        return
    here = tmp_path / "portcullis.service"
    here.write_text(re.sub(r"^Documentation=.*\n", "", path.read_text(), flags=re.M).replace("/usr/bin/portcullis", str(pathlib.Path(binary()).resolve())))
    verified = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, timeout=60, check=False)
    assert "portcullis.service" not in verified.stderr, verified.stderr
    judged = subprocess.run(["systemd-analyze", "security", "--offline=true", here], capture_output=True, text=True, timeout=60, check=False)
    level = re.search(r"exposure level for portcullis.service: ([\d.]+)", judged.stdout)
    assert level and float(level.group(1)) <= 1.5, judged.stdout + judged.stderr


def test_the_container_runs_without_rights_and_asks_the_gate_itself() -> None:
    text = (PACKAGING / "container/Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if line.startswith("FROM ")] == ["FROM ${BUILD_IMAGE} AS build", "FROM ${BASE_IMAGE}"]
    assert not re.search(r"[\w-]+\.[a-z]{2,}/", "\n".join(line for line in lines if line.startswith(("FROM", "ARG")))), "no registry is named"
    last = lines[lines.index("FROM ${BASE_IMAGE}") :]
    assert not any(line.startswith("RUN") for line in last), "needs no shell"
    assert "USER 65532:65532" in last and "VOLUME /data" in last
    check = next(line for line in last if line.startswith("HEALTHCHECK"))
    assert check.endswith('CMD ["/usr/bin/portcullis", "health"]')
    assert run("health", "--help").returncode == 0 and run("run", "--help").returncode == 0
    assert "target" in (ROOT / ".dockerignore").read_text().split()
