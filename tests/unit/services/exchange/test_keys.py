import os

import pytest

from services.exchange.errors import AuthenticationError, KeyFileError, TemporaryError
from services.exchange.keys import KeySource


@pytest.fixture
def key_file(tmp_path, ed_pem):
    path = tmp_path / "key.pem"
    path.write_bytes(ed_pem)
    path.chmod(0o600)
    return path


def _replace(path, content: bytes) -> None:
    old = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(old + 1_000_000, old + 1_000_000))


async def _accept(_signer) -> None:
    return None


def test_a_key_open_to_others_is_refused_with_the_command_to_fix_it(key_file) -> None:
    key_file.chmod(0o640)
    with pytest.raises(KeyFileError, match=f"chmod 600 {key_file}"):
        KeySource("k", key_file)
    assert KeySource("k", key_file, require_private=False).key_id == "k"


def test_a_missing_file_and_a_file_that_is_no_key(tmp_path, key_file) -> None:
    with pytest.raises(KeyFileError, match=r"none\.pem cannot be read"):
        KeySource("k", tmp_path / "none.pem")
    _replace(key_file, b"nonsense")
    with pytest.raises(KeyFileError, match=r"key\.pem"):
        KeySource("k", key_file)


def test_the_key_id_may_be_a_file(tmp_path, key_file) -> None:
    (tmp_path / "id").write_text("from-file\n")
    assert KeySource(tmp_path / "id", key_file).key_id == "from-file"
    (tmp_path / "id").write_text("\n")
    with pytest.raises(KeyFileError, match="is empty"):
        KeySource(tmp_path / "id", key_file)


async def test_an_unchanged_key_is_not_tried(key_file) -> None:
    async def fail(_signer) -> None:
        raise AssertionError("tried")

    assert await KeySource("k", key_file).refresh(fail) is False


async def test_a_new_key_is_tried_before_it_replaces_the_old(key_file, rsa_pem) -> None:
    source = KeySource("k", key_file)
    tried = []

    async def note(signer) -> None:
        tried.append(len(signer.headers("GET", "/", 1)["KALSHI-ACCESS-SIGNATURE"]))
        assert len(source.headers("GET", "/", 1)["KALSHI-ACCESS-SIGNATURE"]) == 88, "the old one is still in use"

    _replace(key_file, rsa_pem)
    assert await source.refresh(note) is True
    assert tried == [344]
    assert len(source.headers("GET", "/", 1)["KALSHI-ACCESS-SIGNATURE"]) == 344
    assert await source.refresh(note) is False


async def test_a_refused_key_leaves_the_old_one_and_is_not_tried_again(key_file, rsa_pem) -> None:
    source = KeySource("k", key_file)

    async def refuse(_signer) -> None:
        raise AuthenticationError("GET /x", status=401, code="authentication_error", message="no")

    _replace(key_file, rsa_pem)
    with pytest.raises(AuthenticationError):
        await source.refresh(refuse)
    assert len(source.headers("GET", "/", 1)["KALSHI-ACCESS-SIGNATURE"]) == 88
    assert await source.refresh(refuse) is False


async def test_a_key_that_could_not_be_tried_is_tried_again(key_file, rsa_pem) -> None:
    source = KeySource("k", key_file)

    async def unreachable(_signer) -> None:
        raise TemporaryError("down")

    _replace(key_file, rsa_pem)
    with pytest.raises(TemporaryError):
        await source.refresh(unreachable)
    assert await source.refresh(_accept) is True
