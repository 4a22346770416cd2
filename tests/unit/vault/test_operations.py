"""What a person sees and decides: the whole cost before, a signed decision after, and no way around policy."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fedward_client.imported import table_name
from fedward_client.importer.inbox import Staging
from fedward_client.vault.inbox import Inbox
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import pld
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto.keys import fingerprint, public_bytes
from fedward_shared.errors import BudgetError, FedwardError, PolicyError, UsageError
from fedward_shared.manifest.contract import contract_digest
from tests.support.vaults import NOW, STUDY_KEY, Coordinator, Site, manifest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNSAFE = (("unsafe_no_privacy = false", "unsafe_no_privacy = true"), ("noise_multiplier = 4.0\n", ""))


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def coordinator(site: Site) -> Coordinator:
    coordinator = Coordinator()
    site.handle(coordinator.offer())
    return coordinator


def another(site: Site, name: str, *changes: tuple[str, str]) -> Coordinator:
    coordinator = Coordinator(manifest(('name = "heart-disease"', f'name = "{name}"'), *changes))
    site.handle(coordinator.offer())
    return coordinator


def test_an_approver_sees_who_asks_for_what_and_what_leaves(site: Site, coordinator: Coordinator) -> None:
    view = site.operations.show("heart-disease")
    assert view.study_key == fingerprint(public_bytes(STUDY_KEY))
    assert view.study == coordinator.hash.hex()
    assert [(column.name, column.type, column.values) for column in view.columns] == [
        ("age", "number", "18 to 110"),
        ("chest_pain", "category", "1, 2, 3, 4"),
    ]
    assert (view.label, view.classes, view.unit) == ("disease", ("no disease", "disease"), "patient")
    assert sum(tensor.bytes for tensor in view.tensors) < view.bytes_out_per_round == coordinator.layout.payload_bytes
    assert (view.rounds, view.spare_attempts, view.local_steps) == (3, 1, 2)
    assert view.contact == "trial-office@example.org"
    assert not view.unsafe_no_privacy
    assert view.problems == ()


def test_the_cost_is_that_of_all_declared_steps(site: Site, coordinator: Coordinator) -> None:
    view = site.operations.show(coordinator.hash.hex()[:8])
    assert view.epsilon == pytest.approx(0.8)
    (choice,) = view.data_sets
    assert choice.covered
    assert choice.spent == 0
    assert choice.after == pytest.approx(0.8)


def test_the_cost_after_counts_what_was_spent_and_what_others_may_still_spend(site: Site) -> None:
    first, second = Coordinator(), another(site, "second")
    first.admit(site)
    site.reply(first.train())
    (choice,) = site.operations.show("second").data_sets
    assert choice.spent == pytest.approx(0.2)
    assert choice.after == pytest.approx(1.6)
    site.reply(first.conclude())
    (choice,) = site.operations.show("second").data_sets
    assert choice.after == pytest.approx(1.0)
    assert second.study.name == "second"


def test_the_real_accountant_agrees_with_the_manifest() -> None:
    site, coordinator = Site(accountant=pld), Coordinator()
    site.handle(coordinator.offer())
    view = site.operations.show("heart-disease")
    assert coordinator.study.resolved is not None
    assert view.epsilon == pytest.approx(coordinator.study.resolved.sites["north"].epsilon)
    assert view.data_sets[0].after == pytest.approx(view.epsilon)


def test_a_decision_is_signed_named_journalled_and_anchored(site: Site, coordinator: Coordinator) -> None:
    decision = site.operations.approve("heart-disease", "cardiology", "  Dr Ada Lind ", NOW + 0.7)
    assert (decision.by, decision.at, decision.data_set, decision.state) == (
        "Dr Ada Lind",
        NOW,
        "cardiology",
        "approved",
    )
    last = site.operations.journal(1)[0]
    assert (last.kind, "Dr Ada Lind" in last.says, "cardiology" in last.says) == ("approved", True, True)
    assert site.store.anchor.read() == site.books.heads()
    (summary,) = site.operations.proposals()
    assert (summary.decided_by, summary.decided_at, summary.data_set) == ("Dr Ada Lind", NOW, "cardiology")
    site.reply(coordinator.train())


@pytest.mark.parametrize("by", ["", "   ", "x" * 201, "two\nlines"])
def test_a_decision_needs_a_name(site: Site, coordinator: Coordinator, by: str) -> None:
    with pytest.raises(UsageError, match="name"):
        site.operations.approve("heart-disease", "cardiology", by, NOW)
    with pytest.raises(UsageError, match="name"):
        site.operations.reject("heart-disease", by, NOW)
    assert site.code(coordinator.offer()) is RefusalCode.NOT_APPROVED


@pytest.mark.parametrize("reference", ["", "hea", "heart", "00ff", "heart-diseases", "%"])
def test_a_study_that_is_not_meant_clearly(site: Site, coordinator: Coordinator, reference: str) -> None:
    assert coordinator
    with pytest.raises(UsageError, match="can be meant by"):
        site.operations.show(reference)


def test_two_studies_of_one_name_are_told_apart_by_their_hashes(site: Site, coordinator: Coordinator) -> None:
    second = Coordinator(manifest(("rounds = 3", "rounds = 2")))
    site.handle(second.offer())
    with pytest.raises(UsageError, match="2 studies"):
        site.operations.show("heart-disease")
    assert site.operations.show(second.hash.hex()[:12]).rounds == 2
    assert site.operations.show(coordinator.hash.hex()).rounds == 3


def refused(site: Site, kind: type[FedwardError], text: str, data_set: str = "cardiology") -> None:
    before = site.books.heads()
    with pytest.raises(kind, match=text):
        site.operations.approve("heart-disease", data_set, "Ada", NOW)
    assert site.books.heads() == before


def test_nothing_is_approved_on_data_of_another_contract(site: Site, coordinator: Coordinator) -> None:
    refused(site, UsageError, "no data", data_set="radiology")
    site.data_sets.imports["cardiology"] = replace(site.data_sets.imports["cardiology"], contract=bytes(32))
    refused(site, UsageError, "no data")
    assert site.operations.show("heart-disease").problems == ("no data were imported under this study's contract yet",)
    assert site.code(coordinator.offer()) is RefusalCode.NOT_APPROVED


def test_nothing_is_approved_beyond_the_budget() -> None:
    site = Site(policy=Policy(0.7, 1e-5))
    site.handle(Coordinator().offer())
    refused(site, BudgetError, "could reach 0.8")
    assert site.operations.show("heart-disease").problems == ("no data set's budget covers the study to its end",)


def test_two_studies_that_fit_only_one_at_a_time() -> None:
    site = Site(policy=Policy(1.5, 1e-5))
    Coordinator().admit(site)
    another(site, "second")
    with pytest.raises(BudgetError):
        site.operations.approve("second", "cardiology", "Ada", NOW)
    site.operations.withdraw("heart-disease", "Ada", NOW)
    site.operations.approve("second", "cardiology", "Ada", NOW)


def test_nothing_is_approved_against_the_policy() -> None:
    site = Site(policy=Policy(10.0, 1e-6))
    site.handle(Coordinator().offer())
    refused(site, PolicyError, "δ")


def test_a_study_without_noise_needs_the_policys_leave() -> None:
    study = manifest(*UNSAFE)
    careful, careless = Site(study=study), Site(study=study, policy=Policy(10.0, 1e-5, allow_unsafe_no_privacy=True))
    for site in (careful, careless):
        site.handle(Coordinator(study).offer())
        view = site.operations.show("heart-disease")
        assert view.unsafe_no_privacy
        assert view.epsilon == float("inf")
    refused(careful, PolicyError, "no noise at all")
    decision = careless.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert decision.epsilon == float("inf")


def test_rejecting_and_withdrawing_are_for_different_states(site: Site, coordinator: Coordinator) -> None:
    with pytest.raises(UsageError, match="only an approved study"):
        site.operations.withdraw("heart-disease", "Ada", NOW)
    site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    with pytest.raises(UsageError, match="was approved"):
        site.operations.reject("heart-disease", "Ada", NOW)
    with pytest.raises(UsageError, match="approved already, by Ada"):
        site.operations.approve("heart-disease", "cardiology", "Eve", NOW)
    assert site.operations.withdraw("heart-disease", "Eve", NOW).state == "withdrawn"
    assert site.code(coordinator.train()) is RefusalCode.WITHDRAWN


def test_the_ledger_for_people(site: Site) -> None:
    coordinator = Coordinator()
    coordinator.admit(site)
    site.reply(coordinator.train(1))
    site.trainer.size = 1
    site.handle(coordinator.train(2))
    rows = site.operations.ledger("cardiology")
    assert [(row.name, row.round, row.attempt, row.replied) for row in rows] == [
        ("heart-disease", 1, 1, True),
        ("heart-disease", 2, 1, False),
    ]
    assert rows[0].event == "2 steps, σ = 4, q = 1"
    (spend,) = site.operations.spending()
    assert spend.epsilon == pytest.approx(0.4)
    assert (spend.max_epsilon, spend.reservations, spend.studies) == (10.0, 2, 1)
    assert site.operations.ledger("radiology") == ()


def test_everything_can_be_written_as_json(site: Site, coordinator: Coordinator) -> None:
    operations = site.operations
    views: list[DataclassInstance] = [
        operations.show("heart-disease"),
        operations.approve("heart-disease", "cardiology", "Ada", NOW),
        *operations.proposals(),
        *operations.spending(),
        *operations.journal(),
        operations.verify_journal(),
        operations.status(),
    ]
    site.reply(coordinator.train())
    for view in [*views, *operations.ledger()]:
        assert json.loads(json.dumps(asdict(view)))


def test_status_tells_how_things_stand(site: Site, coordinator: Coordinator) -> None:
    status = site.operations.status()
    assert (status.studies_waiting, status.studies_approved, status.locked) == (1, 0, "")
    site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    site.reply(coordinator.train())
    status = site.operations.status()
    assert (status.studies_waiting, status.studies_approved, status.stored_replies) == (0, 1, 1)
    assert status.ledger_rows == 2
    assert bytes.fromhex(status.ledger_head) == site.books.heads().ledger


def test_verifying_finds_a_changed_entry(site: Site, coordinator: Coordinator) -> None:
    assert coordinator
    site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert site.operations.verify_journal().holds
    with site.store.transaction() as transaction:
        transaction.execute("DROP TRIGGER journal_keeps")
        transaction.execute("UPDATE journal SET body = replace(body, 'Ada', 'Eve')")
    check = site.operations.verify_journal()
    assert not check.holds
    assert "journal" in check.problem


def test_a_doctored_approval_approves_nothing(site: Site, coordinator: Coordinator) -> None:
    with site.store.transaction() as transaction:
        transaction.execute(
            "UPDATE studies SET state = 'approved', decision = x'7b7d', decision_signature = zeroblob(64)"
        )
    assert site.code(coordinator.train()) is RefusalCode.NOT_APPROVED


def test_an_approval_of_another_study_approves_nothing(site: Site) -> None:
    first, second = Coordinator(), another(site, "second")
    first.admit(site)
    (row,) = site.store.read("SELECT decision, decision_signature FROM studies WHERE hash = ?", (first.hash,))
    with site.store.transaction() as transaction:
        transaction.execute(
            "UPDATE studies SET state = 'approved', decision = ?, decision_signature = ? WHERE hash = ?",
            (*row, second.hash),
        )
    assert site.code(second.train()) is RefusalCode.NOT_APPROVED


def test_unlocking_needs_a_lock_a_name_and_a_reason(site: Site, coordinator: Coordinator) -> None:
    with pytest.raises(UsageError, match="not locked"):
        site.operations.unsafe_unlock("Ada", "why not", NOW)
    site.books.lock("rolled back", NOW)
    with pytest.raises(UsageError, match="name"):
        site.operations.unsafe_unlock(" ", "the disk was replaced", NOW)
    with pytest.raises(UsageError, match="reason"):
        site.operations.unsafe_unlock("Ada", " ", NOW)
    site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert site.code(coordinator.train()) is RefusalCode.LEDGER_LOCKED
    assert site.operations.unsafe_unlock("Ada", "the disk was replaced", NOW).locked == ""
    site.reply(coordinator.train())
    assert "the disk was replaced" in "".join(entry.says for entry in site.operations.journal())


def write_import(inbox: Path, coordinator: Coordinator, imported_at: float, data_set: str = "cardiology") -> Path:
    with Staging(inbox, lambda: imported_at) as staging:
        (staging.folder / table_name(0)).write_bytes(repr(imported_at).encode())
        _, folder = staging.publish(
            coordinator.study.data, data_set=data_set, files=[table_name(0)], rows=(1, 0), source_name="", extra=()
        )
    return folder


def test_the_inbox_finds_the_newest_import(tmp_path: Path, coordinator: Coordinator) -> None:
    digest = contract_digest(coordinator.study.data)
    write_import(tmp_path, coordinator, 5.0)
    newest = write_import(tmp_path, coordinator, 7.0)
    broken = write_import(tmp_path, coordinator, 9.0)
    (broken / "import.json").write_text((broken / "import.json").read_text().replace(digest.hex(), "not hex"))
    write_import(tmp_path, coordinator, 11.0).rename(tmp_path / "cardiology" / ("f" * 64))
    write_import(tmp_path, coordinator, 13.0, "oncology").rename(tmp_path / "cardiology" / "moved")
    (tmp_path / "cardiology" / "dd").mkdir()
    found = Inbox(tmp_path).newest("cardiology")
    assert found is not None
    assert (found.version, found.contract, found.folder) == (newest.name, digest, newest)
    assert Inbox(tmp_path).names() == ("cardiology",)


@pytest.mark.parametrize("name", ["", "..", "../inbox", "a/b", "/etc", "Cardiology", "."])
def test_the_inbox_is_not_left_by_any_name(tmp_path: Path, coordinator: Coordinator, name: str) -> None:
    write_import(tmp_path / "inbox", coordinator, 5.0)
    assert Inbox(tmp_path / "inbox").newest(name) is None
    assert Inbox(tmp_path / "elsewhere").names() == ()
