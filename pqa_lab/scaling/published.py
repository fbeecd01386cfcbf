"""Scales as others publish them; not JOD."""

from dataclasses import replace

import numpy as np

from ..errors import InputError
from .model import SIGMA
from .result import JodScale, SceneFit


def standardize(scale: JodScale, like: str = "piq23") -> JodScale:
    """Normalise each scene as PIQ23's public columns are.

        per scene:  mean(JOD) = 0,   var(JOD) + mean(SE^2) = 1.4826^2

    **The result is not in JOD**: one unit no longer means 75 % of the answers, and scenes with large and with small
    differences are stretched to the same spread, so values of different scenes cannot be compared. Win probabilities
    are still those of the true JODs.

    Source: *inferred* from the 150 scene x attribute groups of PIQ23's public CSVs, which all satisfy it to 6 digits.

    Parameters
    ----------
    scale : JodScale
        With standard errors.
    like : {"piq23"}

    Returns
    -------
    JodScale
    """
    if like != "piq23":
        raise InputError(f'Published scales can be imitated for "piq23" only, not {like!r}.')
    return JodScale([_piq23(fit) for fit in scale.fits.values()])


def _piq23(fit: SceneFit) -> SceneFit:
    if np.isnan(fit.se).all():
        raise InputError('Standardising needs standard errors: scale with ci="sandwich" or "bootstrap".')
    mean = np.nanmean(fit.jod)
    factor = SIGMA / np.sqrt(np.nanvar(fit.jod) + np.nanmean(fit.se**2))
    return replace(
        fit,
        jod=(fit.jod - mean) * factor,
        low=(fit.low - mean) * factor,
        high=(fit.high - mean) * factor,
        covariance=fit.covariance * factor**2,
        samples=None if fit.samples is None else (fit.samples - mean) * factor,
        settings={**fit.settings, "standardize": "piq23"},
        notes=[*fit.notes, "Standardised like PIQ23: the values are not JOD, and scenes cannot be compared."],
    )
