"""Runs orders through the ClientApp: what the worker process and the inline trainer have in common.

Studies, data and models that were used lately are kept open; a data set's version never changes, so neither goes stale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedward_client.vault.training.app import CONCLUDE, TRAIN, SiteWork, client_app, config_of
from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.features import with_features
from fedward_client.vault.training.local_round import on_device
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Task
from fedward_shared.contracts.study import study_id
from fedward_shared.errors import TrainingError
from fedward_shared.flower.identity import COORDINATOR_NODE, set_identity
from fedward_shared.flower.records import arrays_of, record_of
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import check_tensors
from fedward_shared.models.registry import build
from fedward_shared.privacy.randomness.noise import RandomSource
from fedward_shared.wire.tensors import Layout, decode, encode, layout

__all__ = ["Session"]

_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Open:
    app: ClientApp
    context: Context
    plan: Layout


class Session:
    """Keeps studies open and runs their orders, one at a time.

    Args:
        source_factory: makes the randomness for an instruction's digest.
        kept: how many studies stay open.
    """

    def __init__(self, source_factory: Callable[[bytes], RandomSource], *, kept: int = _KEPT) -> None:
        self._source_factory = source_factory
        self._kept = kept
        self._open: OrderedDict[tuple[str, ...], _Open] = OrderedDict()
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        set_identity(COORDINATOR_NODE)

    def run(self, order: Order) -> list[memoryview]:
        """The reply's payload: header and the change of each tensor for TRAIN, nothing for CONCLUDE.

        Raises:
            FedwardError: the data do not fit, or the study is not published.
        """
        work = self._work(order)
        weights = decode(work.plan, order.payload)
        content = RecordDict(
            {"arrays": record_of(weights), "config": config_of(order.round, order.attempt, order.digest)}
        )
        kind = TRAIN if order.task is Task.TRAIN else CONCLUDE
        reply = work.app(Message(content, work.context.node_id, kind), work.context)
        if order.task is not Task.TRAIN:
            return []
        return encode(work.plan, arrays_of(reply.content.array_records["arrays"]))

    def _work(self, order: Order) -> _Open:
        key = (study_hash(order.manifest).hex(), order.site, str(order.data_folder), str(order.reports))
        if key not in self._open:
            self._open[key] = self._begin(order)
            while len(self._open) > self._kept:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]

    def _begin(self, order: Order) -> _Open:
        study = load(order.manifest)
        if study.resolved is None:
            raise TrainingError("the study has not been published", hint="fedward-coordinator study publish")
        check_tensors(study)
        read = open_data_set(order.data_folder, study.data, study.evaluation.subgroups)
        data = with_features(study, read, order.backbones, self._device)
        digest = study_hash(order.manifest)
        work = SiteWork(
            study=study,
            study_hash=digest,
            site=order.site,
            data=data,
            training=on_device(data.train, self._device),
            model=build(study.model, study.data).to(self._device),
            report=order.reports / study_id(digest),
            source=self._source_factory,
        )
        node = study.site_names.index(order.site) + 1
        context = Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})
        return _Open(client_app(work), context, layout(study.resolved.tensors))
