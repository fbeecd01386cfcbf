"""Assignments that grade themselves: one source each, released and graded with nbgrader, exported for otter."""

import hashlib

__all__ = ["student_seed"]


def student_seed(name: str, assignment: str = "") -> int:
    """The seed from which a student's own data are drawn: the same for "Ada Lovelace" and " ada  lovelace".

    Parameters
    ----------
    name : str
        As the student writes it at the top of the assignment.
    assignment : str
        Makes the seeds of two assignments differ.

    Returns
    -------
    int
        0 to 2**32 - 1. Hidden tests never use it, so a wrong name costs no auto-graded point.
    """
    words = " ".join([*name.casefold().split(), "|", assignment])
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
