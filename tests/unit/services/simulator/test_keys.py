import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.simulator.keys import KeyFileError, load_or_make


def test_keys_are_private_kept_and_distinct(tmp_path):
    first, second = load_or_make(tmp_path / "new" / "dir"), load_or_make(tmp_path / "new" / "dir")
    assert [key.key_id for key in first] == [key.key_id for key in second]
    assert [key.public_key.public_numbers() for key in first] == [key.public_key.public_numbers() for key in second]
    assert len({key.key_id for key in first}) == 2
    assert len({key.public_key.public_numbers().n for key in first}) == 2
    for path in (tmp_path / "new" / "dir").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_spoiled_private_key_is_named(tmp_path):
    load_or_make(tmp_path)
    (tmp_path / "account-2.pem").write_text("not a key")
    with pytest.raises(KeyFileError, match=r"account-2\.pem"):
        load_or_make(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key_ids": ["a", "b"]}', '{"key_ids": [1, 2]}'])
def test_a_spoiled_index_is_named(tmp_path, text):
    (tmp_path / "accounts.json").write_text(text)
    with pytest.raises(KeyFileError, match=r"accounts\.json"):
        load_or_make(tmp_path)


def test_kinds_and_more_accounts_later(tmp_path):
    first = load_or_make(tmp_path, ["ed25519"])
    three = load_or_make(tmp_path, ["rsa", "ed25519", "rsa"])
    assert three[0].key_id == first[0].key_id
    kinds = [isinstance(key.public_key, Ed25519PublicKey) for key in three]
    assert kinds == [True, True, False], "a file that is there keeps its kind"
    assert three[1].private_key_path.read_text().startswith("-----BEGIN PRIVATE KEY-----")
