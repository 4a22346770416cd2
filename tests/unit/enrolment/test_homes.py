"""A site's folder: what it says, who may read it, and paths that a Unix socket can bear."""

import stat
from pathlib import Path

import pytest

from fedward_client.home import SiteHome, SiteIdentity
from fedward_shared.errors import UsageError

IDENTITY = SiteIdentity("north", "Verbund „Süd“", "localhost", 7444, 7443, "ab12 cd34", "ef56 ab78", 1_800_000_000)


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    home = SiteHome(tmp_path / "site")
    home.make_folders()
    return home


def test_what_was_joined_is_read_again(home: SiteHome) -> None:
    home.save(IDENTITY)
    assert home.load() == IDENTITY


def test_a_folder_that_joined_nothing_says_what_to_do(home: SiteHome) -> None:
    with pytest.raises(UsageError) as refusal:
        home.load()
    assert "fedward-site join" in refusal.value.hint


@pytest.mark.parametrize(
    "change",
    [
        ("joined", "left"),
        ("link_port = 7443", 'link_port = "7443"'),
        ("site =", "place ="),
        ("=", ""),
        ("7443", "7443.5"),
    ],
    ids=["missing and extra", "type", "name", "no TOML", "no integer"],
)
def test_a_damaged_file_is_refused(home: SiteHome, change: tuple[str, str]) -> None:
    home.save(IDENTITY)
    home.site_toml.write_text(home.site_toml.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(UsageError, match="damaged"):
        home.load()


def test_the_vaults_and_the_gateways_folders_are_their_owners_alone(home: SiteHome) -> None:
    for folder in (home.vault_dir, home.gateway_dir, home.replies_dir, home.inbox, home.reports):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_making_folders_again_changes_nothing(home: SiteHome) -> None:
    (home.inbox / "kept").touch()
    home.make_folders()
    assert (home.inbox / "kept").exists()


@pytest.mark.parametrize("depth", [1, 10, 40])
def test_a_socket_path_is_never_too_long(tmp_path: Path, depth: int) -> None:
    home = SiteHome(tmp_path.joinpath(*["folder"] * depth))
    for socket in (home.door, home.admin_sock):
        assert len(str(socket)) <= 100


def test_two_deep_folders_do_not_share_a_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["folder"] * 40)
    assert SiteHome(deep / "a").door != SiteHome(deep / "b").door


def test_a_short_path_keeps_the_sockets_at_home() -> None:
    home = SiteHome(Path("/srv/fedward"))
    assert home.door == Path("/srv/fedward/door/vault.sock")
    assert home.admin_sock == Path("/srv/fedward/vault/admin.sock")
