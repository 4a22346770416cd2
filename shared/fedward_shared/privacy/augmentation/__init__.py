"""Declared random changes to training records, inside the step: `plan` says which, the other modules make them.

Neighbouring relation and unit are the step's (one patient added or removed). Claims, each with a test:
  sensitivity   a changed copy belongs to the patient of its record, and all of a patient's copies are summed before the
                patient is clipped, so one patient still changes the sum by at most C, whatever `copies` is
  independence  a copy is a function of its own record, of declared constants and of random numbers that no other
                patient's records influence
  no cost       nothing is released that was not before, so a study's events are the same with and without
Random numbers are those of sampling and noise: the same instruction digest gives the same step in simulations, and
fresh numbers every time elsewhere. Evaluation never changes a record.
Source: De, Berrada, Hayes, Smith and Balle (2022), "Unlocking high-accuracy differentially private image
classification through scale", section 3.2, "augmentation multiplicity".
"""

__all__: list[str] = []
