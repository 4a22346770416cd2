"""The importer as a real program: what it does whole, and what killing it at any moment leaves, which is nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.imported import read_record
from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.program import in_worker, watch
from fedward_client.importer.program.in_worker import forbidden_of, import_confined
from fedward_shared.errors import FedwardError, ImporterError, LockedError, SourceDataError, UsageError
from tests.support.confined import without
from tests.support.processes import Processes, children_of, wait_for
from tests.support.samples import TWO_SITES

pytestmark = pytest.mark.processes

HEADER = "patient_id,split,age,chest_pain,disease\n"
ROWS = "".join(f"p{row},train,{20 + row % 60},1,{row % 2}\n" for row in range(2000))
SECRET = "Zebra-4711"


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    site = SiteHome(tmp_path / "north")
    site.make_folders()
    site.vault_key_file.write_text(SECRET)
    site.save(SiteIdentity("north", "consortium", "localhost", 1, 2, "ab", "cd", 3))
    return site


def _order(tmp_path: Path, content: str = HEADER + ROWS) -> ImportOrder:
    source = tmp_path / "cohort.csv"
    source.write_text(content)
    return ImportOrder(TWO_SITES.encode(), Mapping(source=SourceTerms("", source)), tmp_path, "heart")


def _run(order: ImportOrder, home: SiteHome, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Path:
    report = import_confined(order, home.inbox, forbidden=forbidden_of(home), progress=progress)
    assert report.folder is not None
    return report.folder


def _left(home: SiteHome) -> set[str]:
    """What lies in the inbox beside the importer's lock."""
    return {str(path.relative_to(home.inbox)) for path in home.inbox.rglob("*")} - {".importing", ".importing/lock"}


def test_an_import_is_published_whole(tmp_path: Path, home: SiteHome) -> None:
    order = _order(tmp_path, HEADER + ROWS + f"{SECRET},train,999,1,1\n")
    seen: list[tuple[int, int]] = []

    report = import_confined(
        order, home.inbox, forbidden=forbidden_of(home), progress=lambda *at: seen.append(at), clock=lambda: 17.0
    )

    assert (report.accepted, report.rejected) == (2000, 1)
    assert report.reasons == {("age", "is outside its range"): 1}
    assert report.examples == {("age", "is outside its range"): (2002,)}
    assert seen[-1][0] == (tmp_path / "cohort.csv").stat().st_size
    assert report.folder is not None
    record = read_record(report.folder)
    assert (record.data_set, record.imported_at, record.rows_accepted) == ("heart", 17.0, 2000)
    assert {path.name for path in report.folder.iterdir()} == {"import.json", "quarantine.csv", "table-00000.parquet"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in report.folder.iterdir())
    assert list((home.inbox / ".importing").iterdir()) == [home.inbox / ".importing" / "lock"]


def test_an_inbox_of_a_group_can_be_read_by_it_and_by_nobody_else(tmp_path: Path, home: SiteHome) -> None:
    home.inbox.chmod(0o2770)

    folder = _run(_order(tmp_path), home)
    again = _run(_order(tmp_path), home)

    assert again == folder
    assert {path.stat().st_mode & 0o7777 for path in folder.iterdir()} == {0o640}
    assert {path.stat().st_mode & 0o7777 for path in (folder, folder.parent)} == {0o2750}
    assert (home.inbox / ".importing").stat().st_mode & 0o077 == 0


def test_the_worker_writes_what_the_same_process_would(tmp_path: Path, home: SiteHome) -> None:
    from fedward_client.importer.importing import import_here

    order = _order(tmp_path)

    assert _run(order, home).name == import_here(order, tmp_path / "elsewhere").version


def test_a_dry_run_needs_no_site_and_writes_nothing(tmp_path: Path) -> None:
    order = replace(_order(tmp_path), dry_run=True)

    assert import_confined(order, tmp_path / "inbox").accepted == 2000
    assert not (tmp_path / "inbox").exists()


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (HEADER + "p,train,999,1,1\n", SourceDataError, "1 of 1 rows"),
        (HEADER.replace("age", "years") + ROWS, SourceDataError, "age"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    tmp_path: Path, home: SiteHome, content: str, kind: type[FedwardError], told: str
) -> None:
    with pytest.raises(kind, match=told):
        _run(_order(tmp_path, content), home)

    assert _left(home) == set()


def test_a_name_that_is_none_and_a_study_with_mistakes_start_no_worker(tmp_path: Path, home: SiteHome) -> None:
    order = _order(tmp_path)
    for wrong in (replace(order, data_set="No name"), replace(order, manifest=b"[study]")):
        with pytest.raises(UsageError):
            _run(wrong, home)

    assert _left(home) == set()


def test_a_killed_worker_leaves_nothing_and_the_next_import_goes_through(tmp_path: Path, home: SiteHome) -> None:
    before = set(children_of(os.getpid()))

    def kill(_done: int, _of: int) -> None:
        for child in set(children_of(os.getpid())) - before:
            os.kill(child, signal.SIGKILL)

    with pytest.raises(ImporterError, match="SIGKILL") as failure:
        _run(_order(tmp_path), home, kill)

    assert "as it was" in failure.value.hint
    assert _left(home) == set()
    assert _run(_order(tmp_path), home).is_dir()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_parent_ends_its_worker(tmp_path: Path, home: SiteHome, error: type[BaseException]) -> None:
    before = set(children_of(os.getpid()))

    def stop(_done: int, _of: int) -> None:
        raise error

    with pytest.raises(error):
        _run(_order(tmp_path), home, stop)

    assert set(children_of(os.getpid())) == before
    assert _left(home) == set()


_PARENT = """
import sys
from pathlib import Path
from fedward_client.home import SiteHome
from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.program import in_worker, watch
from tests.support.samples import TWO_SITES
home, source = SiteHome(Path(sys.argv[1])), Path(sys.argv[2])
in_worker._IMPORT = "tests.support.worker_tasks:hang"
order = ImportOrder(TWO_SITES.encode(), Mapping(source=SourceTerms("", source)), source.parent, "heart")
told = lambda done, of: print("half way", flush=True)
in_worker.import_confined(order, home.inbox, forbidden=in_worker.forbidden_of(home), progress=told)
"""


def test_a_killed_parent_takes_its_worker_along_and_the_next_import_cleans_up(
    tmp_path: Path, home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ())
    order = _order(tmp_path)
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", _PARENT, home.root, tmp_path / "cohort.csv"], stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"half way\n"
        [worker] = children_of(parent.pid)
        with pytest.raises(LockedError):
            _run(order, home)
    finally:
        parent.kill()
        parent.communicate()

    wait_for(lambda: not _runs(worker), "the worker's end")
    assert any(path.name == "half" for path in home.inbox.rglob("*"))
    assert _run(order, home).is_dir()
    assert not any(path.name == "half" for path in home.inbox.rglob("*"))


def _runs(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


_ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c WHERE x > 1"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_is_stopped_while_a_database_hangs(
    tmp_path: Path, home: SiteHome, number: signal.Signals, code: int
) -> None:
    study, mapping = tmp_path / "study.toml", tmp_path / "mapping.toml"
    study.write_text(TWO_SITES)
    with contextlib.closing(sqlite3.connect(tmp_path / "ward.db")) as ward:
        ward.execute("CREATE TABLE visits (patient_id)")
    mapping.write_text(f'[source]\ntype = "sql"\nurl = "sqlite:///ward.db"\nquery = "{_ENDLESS}"\n')
    arguments: list[str | Path] = ["--contract", study, "--mapping", mapping, "--data-set", "heart"]
    with Processes(tmp_path / "logs", {"OMP_NUM_THREADS": "1"}) as processes:
        process = processes.start("import", "fedward-site", "import", *arguments, "--home", home.root)
        scratch = home.inbox / ".importing"
        wait_for(lambda: any(scratch.glob("*/.scratch")), "a confined worker", explain=lambda: processes.log("import"))
        [worker] = children_of(process.pid)

        assert processes.stop("import", number) == code
        wait_for(lambda: not _runs(worker), "the worker's end")

        assert "stopped" in processes.log("import")
        assert "Traceback" not in processes.log("import")
    assert list(scratch.iterdir()) == [scratch / "lock"]
    assert {path for path in _left(home) if not path.startswith(".importing/")} == set()
    assert _run(_order(tmp_path), home).is_dir()
    assert list(scratch.iterdir()) == [scratch / "lock"]


@pytest.mark.parametrize("how", ["deep", "closed", "many"])
def test_whatever_a_worker_hides_its_files_in_is_ended_and_removed(
    tmp_path: Path, home: SiteHome, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    without(monkeypatch, ())
    monkeypatch.setattr(in_worker, "_IMPORT", "tests.support.worker_tasks:burrow")
    monkeypatch.setattr(watch, "_MOST_ENTRIES", 4000)
    if how == "closed" and os.geteuid() == 0:
        pytest.skip("nothing is closed to root")

    with pytest.raises(ImporterError, match="wrote more than"):
        _run(replace(_order(tmp_path), data_set=how, limits=Limits(seconds=120)), home)

    assert _left(home) == set()


def test_an_import_beyond_its_time_leaves_nothing(
    tmp_path: Path, home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ())
    monkeypatch.setattr(in_worker, "_IMPORT", "tests.support.worker_tasks:hang")

    with pytest.raises(ImporterError, match="took longer than 1 s"):
        _run(replace(_order(tmp_path), limits=Limits(seconds=1.0)), home)

    assert _left(home) == set()


@pytest.mark.parametrize("what", ["link", "hard link", "folder", "pipe", "missing", "foreign name", "twice", "nothing"])
def test_what_a_worker_that_was_taken_over_leaves_is_not_published(
    tmp_path: Path, home: SiteHome, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Without Landlock and filter, so that the worker can leave whatever it likes."""
    without(monkeypatch, ("landlock", "filter"))
    monkeypatch.setattr(in_worker, "_IMPORT", "tests.support.worker_tasks:plant")
    order = replace(_order(tmp_path), data_set=f"plant-{what.replace(' ', '-')}")

    with pytest.raises(ImporterError, match="the importer's worker"):
        _run(order, home)

    assert _left(home) == set()


def test_imports_of_two_sites_at_a_time_do_not_mix(tmp_path: Path, home: SiteHome) -> None:
    homes = [home, replace(home, root=tmp_path / "south")]
    homes[1].make_folders()
    order = _order(tmp_path)
    done: list[Path] = []
    threads = [threading.Thread(target=lambda site=site: done.append(_run(order, site))) for site in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({folder.name for folder in done}) == 1
    assert len(done) == 2
