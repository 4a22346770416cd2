"""How large an honest update is, and how large it can be: from declared constants only.

A step is v ← m·v + g + λ·w + μ·(w − w₀), w ← w − lr·v, where g = (Σ clipped + N(0, σ²C²I)) / normaliser. For the
update u = w − w₀ that is u₊ = (1 + m − lr(λ+μ))·u − m·u₋ − lr·(g + λ·w₀), so each g moves later updates by
lr·m^(k/2)·U_k(s / 2√m)·g, with s = 1 + m − lr(λ+μ) and Chebyshev's U_k. The study's checks keep lr(λ+μ) below 2, hence
|s| ≤ 1 + m, and |U_k| is largest at the end of that range, where there is neither decay nor prox:

    ‖u‖ ≤ gain · Σ (‖g‖ + λ·‖w₀‖),   gain = lr·(1 + m + m² + …) = lr / (1 − m).

Adam's step t moves a coordinate by lr·m̂/(√v̂ + ε), where m̂ = Σ a_k g_k and v̂ = Σ b_k g_k² over the steps so far. By
Cauchy and Schwarz that is at most lr·√(Σ a_k²/b_k), whatever the gradients; AdamW adds lr·λ·‖w₀‖ as SGD does.
"""

from __future__ import annotations

import math

import numpy as np

from fedward_shared.contracts.study import SiteTerms, Study, TrainingTerms
from fedward_shared.privacy.rounding import slack

__all__ = ["expected_update_norm", "largest_batch", "max_update_norm"]

_DEVIATIONS = 6.0
_NOISE_DEVIATIONS = 8.0
_SIZE_SLACK = 2.0
_ROUNDING = 1.001
"""More than rounding to a grid and to float32 can add."""


def largest_batch(site: SiteTerms) -> float:
    """The most patients that one step can see.

    Six standard deviations of Binomial(size, q) above its mean, plus six (which covers small means, where the tail is
    Poisson's), times two: the real number of patients may exceed the declared size, which is only a public constant.
    """
    mean = site.size * site.sampling_rate
    spread = math.sqrt(mean * (1 - site.sampling_rate))
    return _SIZE_SLACK * (mean + _DEVIATIONS * spread + _DEVIATIONS)


def expected_update_norm(study: Study, site: SiteTerms, noise_multiplier: float, parameters: int) -> float:
    """The root mean square L2 norm of an update whose clipped gradients all point one way.

    Independent noise of `steps` draws adds up to lr·σ·C/normaliser·√(steps·parameters). Momentum counts in full, decay
    and prox not at all. Adam moves every coordinate by about lr a step.
    """
    training, clip = study.training, study.privacy.clip_norm
    if training.optimizer != "sgd":
        return training.learning_rate * training.local_steps * math.sqrt(parameters)
    gain = training.learning_rate * clip / site.normaliser / (1 - training.momentum)
    signal = gain * training.local_steps * site.size * site.sampling_rate
    noise = gain * noise_multiplier * math.sqrt(training.local_steps * parameters)
    return math.hypot(signal, noise)


def max_update_norm(study: Study, site: SiteTerms, noise_multiplier: float, parameters: int) -> float:
    """What no honest update exceeds (chance below 1e-13 an update): `[limits] max_update_norm`, or worked out.

    A Gaussian vector of d coordinates is longer than √d + t with probability at most exp(−t²/2) (Lipschitz
    concentration; here t = 8). Weight decay adds what the largest admitted weights can pull. Without privacy nothing
    is clipped; then the bound is the distance between two models that both respect max_weight.
    """
    if study.limits.max_update_norm is not None:
        return study.limits.max_update_norm
    farthest = study.limits.max_weight * math.sqrt(parameters)
    if study.privacy.unsafe_no_privacy:
        return 2 * farthest
    training, clip, steps = study.training, study.privacy.clip_norm, study.training.local_steps
    if training.optimizer != "sgd":
        pull = training.weight_decay * farthest if training.optimizer == "adamw" else 0.0
        return training.learning_rate * (_adam_reach(training) * math.sqrt(parameters) + steps * pull) * _ROUNDING
    gain = training.learning_rate * clip / site.normaliser / (1 - training.momentum)
    signal = gain * steps * largest_batch(site)
    sigma = noise_multiplier * slack(site.size * site.sampling_rate) * _ROUNDING
    noise = gain * sigma * math.sqrt(steps) * (math.sqrt(parameters) + _NOISE_DEVIATIONS)
    decay = training.learning_rate / (1 - training.momentum) * steps * training.weight_decay * farthest
    return signal + noise + decay


def _adam_reach(training: TrainingTerms) -> float:
    """Σ over the local steps of the most by which Adam can move one coordinate, in learning rates."""
    first, second = training.betas
    steps = np.arange(1, training.local_steps + 1, dtype=np.float64)
    ratio = first**2 / second
    weights = (1 - first) ** 2 / (1 - second) * (1 - second**steps) / (1 - first**steps) ** 2
    return float(np.sqrt(weights * (1 - ratio**steps) / (1 - ratio)).sum())
