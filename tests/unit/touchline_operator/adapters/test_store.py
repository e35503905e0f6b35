from __future__ import annotations

from typing import Any

from touchline_operator import names
from touchline_operator.adapters.kubernetes.covers import covers
from touchline_operator.adapters.kubernetes.store import Store


def made(name: str, at: int, loop: str = "policy.house") -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": name, "resourceVersion": str(at), "labels": {names.LOOP: loop}}}


def loop(store: Store, label: str = "policy.house") -> list[str]:
    return sorted(one["metadata"]["name"] for one in store.of_loop("n", label))


def test_the_newest_version_wins_whoever_brings_it() -> None:
    store = Store()
    assert store.put(made("a", 5))
    assert not store.put(made("a", 4))
    assert not store.put(made("a", 5))
    assert store.put(made("a", 12))
    assert store.get("n", "a") == made("a", 12)
    assert store.changes == 2


def test_old_news_neither_deletes_nor_brings_back() -> None:
    store = Store()
    store.put(made("a", 9))
    assert not store.remove(made("a", 8))
    assert store.remove(made("a", 10))
    assert not store.put(made("a", 9)), "what was deleted came back"
    assert store.put(made("a", 11)), "created anew"


def test_a_list_removes_what_it_lacks_and_keeps_what_is_newer() -> None:
    store = Store()
    for name, at in (("old", 3), ("mine", 20), ("kept", 4)):
        store.put(made(name, at))
    changed = store.replace([made("kept", 4), made("new", 6)], 10)
    assert sorted(one["metadata"]["name"] for one in changed) == ["new", "old"]
    assert loop(store) == ["kept", "mine", "new"]


def test_the_index_follows_the_label() -> None:
    store = Store()
    store.put(made("a", 1))
    store.put(made("a", 2, "strategy.s"))
    assert (loop(store), loop(store, "strategy.s")) == ([], ["a"])
    store.remove(made("a", 3))
    assert loop(store, "strategy.s") == []


def test_contents_are_kept_aside() -> None:
    store = Store()
    whole = made("a", 1) | {"kind": "Deployment", "spec": {"replicas": 2, "template": {"x": 1}}}
    whole["metadata"]["managedFields"] = [{}]
    store.put(whole)
    assert store.get("n", "a")["spec"] == {"replicas": 2}
    assert store.whole("n", "a")["spec"] == {"replicas": 2, "template": {"x": 1}}
    assert "managedFields" not in store.whole("n", "a")["metadata"]
    store.remove(made("a", 2))
    assert store.whole("n", "a") is None


def test_covers() -> None:
    wanted = {"a": 1, "list": [{"name": "x", "v": "1"}], "gone": False, "empty": {}}
    assert covers({"a": 1, "b": 2, "list": [{"name": "x", "v": "1", "added": True}]}, wanted)
    assert not covers({"a": 2, "list": [{"name": "x", "v": "1"}]}, wanted)
    assert not covers({"a": 1, "list": [{"name": "x", "v": "1"}, {"name": "y"}]}, wanted)
    assert not covers({"list": [{"name": "x", "v": "1"}]}, wanted)
    owners = [{"uid": "1", "n": 1}, {"uid": "2", "n": 2}]
    assert covers(owners[::-1], owners)
    assert not covers([owners[0], {"uid": "3", "n": 2}], owners)
