"""What only the local cluster does: files that change, processes that crash, hang or outlive us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
import yaml

from tests.fakes.resources import policy, strategy
from tests.integration.local.test_ports import SLEEP, config_map, deployment, local_site, until
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import KEEP_RUNS, Folder, FolderError
from touchline_operator.adapters.local.resources import LocalResources, Overlay, Resume, write_overlay
from touchline_operator.api.files import ResourceFileError


def _status(cluster, name="child"):
    return cluster._status(name)


async def test_a_crashed_process_is_started_again_and_its_last_words_are_told(tmp_path):
    async with local_site(tmp_path) as site:
        await site.cluster.apply(deployment(script="import sys; sys.exit('key file is missing')"))
        await until(lambda: _status(site.cluster)["restarts"] >= 2)
        assert "ended with exit code 1: key file is missing; starts again in" in _status(site.cluster)["message"]
        await site.cluster.apply(deployment(replicas=0))
        await until(
            lambda: (
                _status(site.cluster)
                == {"replicas": 0, "readyReplicas": 0, "restarts": _status(site.cluster)["restarts"]}
            )
        )


async def test_a_killed_process_comes_back_and_a_changed_template_replaces_it(tmp_path):
    async with local_site(tmp_path) as site:
        await site.cluster.apply(deployment())
        first = await until(lambda: site.cluster.processes().get("child"))
        os.kill(first, signal.SIGKILL)
        second = await until(
            lambda: site.cluster.processes().get("child") not in {None, first} and site.cluster.processes()["child"]
        )
        await site.cluster.apply(deployment())
        assert site.cluster.processes()["child"] == second
        await site.cluster.apply(deployment(revision="2"))
        await until(lambda: site.cluster.processes().get("child") not in {None, second})


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    async with local_site(tmp_path) as site:
        wanted = deployment(script=stubborn)
        wanted["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0.3
        await site.cluster.apply(wanted)
        await until(
            lambda: (
                (tmp_path / "logs" / "child.log").exists() and (tmp_path / "logs" / "child.log").read_text() == "up\n"
            )
        )
        pid = site.cluster.processes()["child"]
        await site.cluster.delete("Deployment", "child")
        await until(lambda: not site.cluster.processes())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_configuration_and_secrets_are_files_and_secrets_are_private(tmp_path):
    async with local_site(tmp_path) as site:
        await site.cluster.apply(config_map(text="{1}"))
        assert (tmp_path / "config" / "child" / "config.json").read_text() == "{1}"
        secret = {"kind": "Secret", "metadata": {"name": "k"}, "stringData": {"keyID": "x"}}
        await site.cluster.apply(secret)
        assert (tmp_path / "secrets" / "k" / "keyID").stat().st_mode & 0o777 == 0o600


async def test_an_edited_file_wakes_and_a_bad_edit_keeps_the_last_good_spec(tmp_path):
    complaints: list[str] = []
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([policy(), strategy()]))
    resources = LocalResources([file], Folder(tmp_path), SystemClock(), complaints.append)
    assert not resources.poll()

    def put(*docs):
        file.write_text(yaml.safe_dump_all(docs))
        return resources.poll()

    assert put(policy(maxTradesPerDay=5), strategy())
    meta = resources.current["RiskPolicy", "house"]["metadata"]
    assert meta["generation"] == 2
    uid = meta["uid"]
    assert not put(policy(maxTradesPerDay=0), strategy())
    assert resources.current["RiskPolicy", "house"]["spec"]["maxTradesPerDay"] == 5
    assert "spec.maxTradesPerDay: 0 is too small; allowed: 1 or more (the last good version stays)" in complaints[-1]
    assert not put(policy(exchange={"environment": "Demo", "credentialsSecretRef": {"name": "k"}}), strategy())
    assert "spec.exchange: immutable" in complaints[-1]
    assert put(policy(maxTradesPerDay=5))
    assert list(resources.current) == [("RiskPolicy", "house")]
    again = LocalResources([file], Folder(tmp_path), SystemClock(), complaints.append)
    assert again.current["RiskPolicy", "house"]["metadata"] == {**meta, "uid": uid}


async def test_the_overlay_is_merged_and_never_written_into_the_users_file(tmp_path):
    async with local_site(tmp_path) as site:
        text = (tmp_path / "all.yaml").read_text()
        write_overlay(Folder(tmp_path), "house", Overlay(halt=True, halt_reason="rain", resume=Resume("dd-1")))
        file = tmp_path / "policies" / "house.json"
        await until(lambda: msgspec.json.decode(file.read_bytes())["halt"])
        assert msgspec.json.decode(file.read_bytes()) == {
            "halt": True, "haltReason": "rain", "resume": {"haltID": "dd-1", "rebaseline": False},
        } or msgspec.json.decode(file.read_bytes())["resume"] == {"haltID": "dd-1"}  # fmt: skip
        found = next(r for r in await site.cluster.resources() if r["kind"] == "RiskPolicy")
        assert found["spec"]["halt"] is True
        assert found["metadata"]["generation"] == 2
        assert (tmp_path / "all.yaml").read_text() == text
        write_overlay(Folder(tmp_path), "house", Overlay())
        await until(lambda: not msgspec.json.decode(file.read_bytes())["halt"])


def test_a_broken_overlay_is_one_clear_line(tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([policy(), strategy()]))
    folder = Folder(tmp_path)
    folder.overlay.mkdir(parents=True)
    folder.overlay_file("house").write_text("{")
    with pytest.raises(ResourceFileError, match=r"riskpolicy-house.json: .*delete the file or correct it"):
        LocalResources([file], folder, SystemClock(), print)


def test_one_up_per_directory_and_the_last_five_runs_stay(tmp_path):
    folder = Folder(tmp_path)
    with folder.lock():
        with pytest.raises(FolderError, match=f"already runs in .*process {os.getpid()}"), Folder(tmp_path).lock():
            pass
        for n in range(KEEP_RUNS + 3):
            folder.new_run(f"run-{n}")
        assert sorted(p.name for p in (folder.root / "runs").iterdir()) == [f"run-{n}" for n in range(3, KEEP_RUNS + 3)]
        assert (folder.root / "last").resolve().name == f"run-{KEEP_RUNS + 2}"
        assert (folder.root / "logs").is_dir()
    with folder.lock():
        assert folder.running() is None


CHILD = """
import asyncio, pathlib, sys
from services.runtime.parent import follow
async def main():
    stop = asyncio.Event()
    follow(stop)
    pathlib.Path(sys.argv[1]).write_text("alive")
    await stop.wait()
    pathlib.Path(sys.argv[1]).write_text("stopped")
asyncio.run(main())
"""

PARENT = """
import asyncio, pathlib, sys
from tests.integration.local.test_ports import deployment, local_site
async def main():
    where = pathlib.Path(sys.argv[1])
    async with local_site(where) as site:
        wanted = deployment()
        wanted["spec"]["template"]["spec"]["containers"][0]["command"] = ["python", str(where / "child.py"), str(where / "said")]
        await site.cluster.apply(wanted)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_children_stop_by_themselves_when_their_parent_is_killed(tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    said = tmp_path / "said"

    def wait_for(text):
        deadline = time.monotonic() + 30
        while not said.exists() or said.read_text() != text:
            assert time.monotonic() < deadline, text
            time.sleep(0.02)

    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    try:
        wait_for("alive")
    finally:
        parent.kill()
        parent.wait()
    wait_for("stopped")


async def test_supervision_can_be_waited_for(tmp_path):
    async with local_site(tmp_path) as site:
        await site.cluster.apply(deployment("a", script=SLEEP))
        await site.cluster.apply(deployment("b", script=SLEEP))
        await until(lambda: len(site.cluster.processes()) == 2)
        await site.cluster.scale_to_zero()
        assert site.cluster.processes() == {}
        await asyncio.sleep(0)
