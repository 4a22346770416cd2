"""Private training of a model of one's own, in a loop of one's own: docs/dp.md explains it line by line."""

import torch
from opacus.accountants import RDPAccountant
from torch import nn

from fedward_shared.privacy.accounting import calibrate_noise
from fedward_shared.privacy.optimizer import PrivateOptimizer
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.sampling import poisson

PATIENTS, RATE, STEPS, DELTA = 500, 0.1, 100, 1e-5

torch.manual_seed(0)
records = torch.randn(PATIENTS, 12, 40)  # made up: 12 leads, 40 samples
labels = (records[:, 0].mean(dim=1) > 0).long()
model = nn.Sequential(
    nn.Conv1d(12, 16, 5), nn.GroupNorm(4, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 2)
)

noise = calibrate_noise(target_epsilon=3.0, delta=DELTA, sampling_rate=RATE, steps=STEPS)
source = KeystreamSource.fresh(b"own model")
accountant = RDPAccountant()

# -- the five lines -----------------------------------------------------------------------------------------------
optimizer = PrivateOptimizer(
    torch.optim.AdamW(model.parameters(), lr=0.02), model, records,
    noise_multiplier=noise, max_grad_norm=1.0, expected_batch_size=int(PATIENTS * RATE),
)  # fmt: skip
optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=RATE))  # any of Opacus' accountants, if wanted
for _ in range(STEPS):
    drawn = torch.from_numpy(poisson(PATIENTS, RATE, source))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(records[drawn]), labels[drawn]).backward()
    optimizer.step()
# -- that was all ---------------------------------------------------------------------------------------------------

right = (model(records).argmax(dim=1) == labels).double().mean()
print(f"noise multiplier {noise:.3f}; epsilon 3.00 by our accountant, {accountant.get_epsilon(DELTA):.2f} by Opacus'")
print(f"right on its own training records: {right:.2f}")
