"""The embedded data set: portraits drawn from numbers, a phone camera, a panel of observers, a known truth."""

from pqa_lab.simulation.faults import FAULTS, apply_fault, apply_faults, fault_group, mixed_group

__all__ = ["FAULTS", "apply_fault", "apply_faults", "fault_group", "mixed_group"]
