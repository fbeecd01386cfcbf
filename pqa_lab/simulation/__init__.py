"""The embedded data set: portraits drawn from numbers, a phone camera, a panel of observers, a known truth."""

from pqa_lab.simulation.camera import DEVICES, Device, Light, Shot, aim, develop, ideal_shot, shoot
from pqa_lab.simulation.faults import FAULTS, apply_fault, apply_faults, fault_group, mixed_group

__all__ = [
    "DEVICES",
    "FAULTS",
    "Device",
    "Light",
    "Shot",
    "aim",
    "apply_fault",
    "apply_faults",
    "develop",
    "fault_group",
    "ideal_shot",
    "mixed_group",
    "shoot",
]
