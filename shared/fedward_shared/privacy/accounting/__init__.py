"""What events cost: ε at a given δ, as an upper bound on the truth; noise or rounds for a given ε."""

from fedward_shared.privacy.accounting.calibration import calibrate_noise, calibrate_rounds
from fedward_shared.privacy.accounting.cost import epsilon, with_count

__all__ = ["calibrate_noise", "calibrate_rounds", "epsilon", "with_count"]
