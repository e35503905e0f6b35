"""``python -m services.simulator`` as its users start it."""

import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "services.simulator"]


def start(*arguments):
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def fails(*arguments):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_keys_and_clean_stop(tmp_path, how):
    seen = []
    for _ in range(2):
        process = start("--state-dir", str(tmp_path), "--pregame", "1")
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"rest_url", "ws_url", "accounts"}
        port = int(ready["rest_url"].split(":")[2].split("/")[0])
        assert ready["rest_url"] == f"http://127.0.0.1:{port}/trade-api/v2"
        assert ready["ws_url"] == f"ws://127.0.0.1:{port}/trade-api/ws/v2"
        with urllib.request.urlopen(f"{ready['rest_url']}/exchange/status") as answer:
            assert json.load(answer)["trading_active"] is True
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/sim/accept-log")
        for account in ready["accounts"]:
            path = Path(account["private_key_path"])
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
        code, out, err = stop(process, how)
        assert (code, out, err) == (0, "", "")
        seen.append(ready["accounts"])
    assert seen[0] == seen[1], "a restart keeps the keys"
    assert len({account["key_id"] for account in seen[0]}) == 2
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "accepts.jsonl").read_text().splitlines()]
    assert kinds == ["world_started", "world_started"]


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, err = fails("--state-dir", str(tmp_path), "--port", str(port))
    assert code == 2
    assert err.count("\n") == 0
    assert f"127.0.0.1:{port}" in err
    assert "--port" in err


def test_unknown_game(tmp_path):
    code, err = fails("--state-dir", str(tmp_path), "--games", "KXNFLGAME-NOPE")
    assert (code, err) == (2, "touchline sim: unknown game 'KXNFLGAME-NOPE'; --list-games shows the shipped ones")


def test_unusable_state_dir(tmp_path):
    (tmp_path / "file").write_text("")
    code, err = fails("--state-dir", str(tmp_path / "file"))
    assert code == 2
    assert str(tmp_path / "file") in err
    assert err.count("\n") == 0


def test_spoiled_key_files(tmp_path):
    (tmp_path / "accounts.json").write_text('{"key_ids": ["nonsense"]}')
    code, err = fails("--state-dir", str(tmp_path))
    assert code == 2
    assert "accounts.json" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--speed", "0"],
        ["--speed", "x"],
        ["--port", "99999"],
        ["--cash", "1.2.3"],
        ["--cash", "-5"],
        ["--tier", "gold"],
        [],
    ],
)
def test_bad_arguments(tmp_path, arguments):
    code, err = fails(*(["--state-dir", str(tmp_path)] if arguments else []), *arguments)
    assert code == 2
    assert "Traceback" not in err


def test_list_games():
    done = subprocess.run([*COMMAND, "--list-games"], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 16
    assert lines[0] == "KXNFLGAME-25SEP04DALPHI  2025_01_DAL_PHI  2025-09-04  DAL at PHI"


def test_accounts_of_both_kinds_and_a_bad_kind(tmp_path):
    process = start("--state-dir", str(tmp_path), "--accounts", "ed25519,rsa,rsa", "--member", "cent")
    accounts = json.loads(process.stdout.readline())["accounts"]
    assert stop(process)[0] == 0
    heads = [Path(account["private_key_path"]).read_text().splitlines()[0] for account in accounts]
    assert heads == ["-----BEGIN PRIVATE KEY-----", *["-----BEGIN RSA PRIVATE KEY-----"] * 2]
    code, said = fails("--state-dir", str(tmp_path), "--accounts", "dsa")
    assert code == 2
    assert "dsa is not one of rsa, ed25519" in said
