"""`portcullis import litellm` by the command line: what it writes is checked and served; what it cannot take is named."""

import json
import os
import pathlib
import subprocess

from gate import binary

FULL = pathlib.Path(__file__).parent.parent / "crates/config/tests/litellm/full.yaml"
KEY = "k9-tR4mVw8zQx2bLp6n"


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """One command."""
    env = {**os.environ, **environment}
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, env=env)


def test_what_is_written_passes_the_check_and_becomes_a_folder(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "new"
    done = run("import", "litellm", FULL, "--write", data, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["models"] == 6 and told["written"] == str(data)
    variables = dict.fromkeys(told["variables"], KEY)
    unset = run("check", "--data", data)
    assert unset.returncode == 3 and "is not set" in unset.stderr, "a missing key is named, not made up"
    checked = run("check", "--data", data, **variables)
    assert checked.returncode == 0, checked.stderr
    assert "6 models" in checked.stdout
    made = run("init", "--data", data, **variables)
    assert made.returncode == 0 and "pclop_" in made.stdout, made.stderr
    assert run("doctor", "--data", data, "--offline", **variables).returncode == 0
    source = FULL.read_text()
    for path in data.rglob("*"):
        if path.is_file():
            for secret in ("sk-proj-R7vQm2Xc9LkT4wZp", "sk-master-8Hq3Vn5Yd2", "hunter2", "xoxb-"):
                assert secret in source and secret.encode() not in path.read_bytes(), path
    again = run("import", "litellm", FULL, "--write", data)
    assert again.returncode == 1 and "never overwritten" in again.stderr


def test_the_report_names_lines(tmp_path: pathlib.Path) -> None:
    done = run("import", "litellm", FULL)
    assert done.returncode == 0
    assert "# --- portcullis.yaml" in done.stdout and "${AZURE_API_KEY}" in done.stdout
    lines = FULL.read_text().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if "master_key" in line)
    assert f"full.yaml:{number}: left    general_settings.master_key: never copied" in done.stderr
    assert "sk-" not in done.stdout + done.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text("model_list:\n  - &one {model_name: a}\n  - *one\n")
    wrong = run("import", "litellm", broken)
    assert wrong.returncode == 3 and "broken.yaml:2:" in wrong.stderr, wrong.stderr
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("model_list: []\n")
    none = run("import", "litellm", nothing, "--write", tmp_path / "none")
    assert none.returncode == 3 and not (tmp_path / "none").exists()
    assert run("import", "litellm", tmp_path / "gone.yaml").returncode == 3
