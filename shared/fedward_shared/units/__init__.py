"""Clinical units: how they are spelt, and how a number in one becomes a number in another."""

from fedward_shared.units.convert import Affine, alternatives, conversion, is_concentration, known

__all__ = ["Affine", "alternatives", "conversion", "is_concentration", "known"]
