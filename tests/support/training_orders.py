"""Orders to a trainer, made from the sample study and an imported table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Task
from fedward_shared.contracts.study import Study
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.registry import initial_weights
from fedward_shared.wire.tensors import Layout, encode, layout
from tests.support.cohorts import write_table
from tests.support.samples import TWO_SITES

__all__ = ["NO_PRIVACY", "order_in", "plan_of", "published_study"]

NO_PRIVACY = TWO_SITES.replace("target_epsilon = 3.0\nunsafe_no_privacy = false", "unsafe_no_privacy = true")


@cache
def published_study(text: str = TWO_SITES) -> tuple[bytes, Study]:
    """The published file and what it says."""
    manifest = published(text.encode())
    return manifest, load(manifest)


def plan_of(study: Study) -> Layout:
    """How the study's tensors travel."""
    assert study.resolved is not None
    return layout(study.resolved.tensors)


def order_in(folder: Path, text: str = TWO_SITES, *, task: Task = Task.TRAIN, rows: int = 60) -> Order:
    """The first order of the study to site north, whose data are written into `folder`; weights as the study starts."""
    manifest, study = published_study(text)
    data = folder / "inbox"
    if not data.exists():
        write_table(data, study.data, rows)
    payload = b"".join(encode(plan_of(study), initial_weights(study.model, study.data)))
    order = Order(
        manifest=manifest,
        site="north",
        data_folder=data,
        task=Task.TRAIN,
        round=1,
        attempt=1,
        digest=bytes(32),
        payload=memoryview(payload),
        reports=folder / "reports",
    )
    return replace(order, task=task)
