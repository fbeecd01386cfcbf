"""A camera bench: turn one knob of the camera at a time; see the photo, its scores and the maps of what changed.

Without a photo the bench holds a drawn portrait, so every number of the shot can be turned and the truth is known.
With a photo its knobs are camera faults, and the photo itself is the reference.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from pqa_lab.errors import InputError
from pqa_lab.looks import part_maps
from pqa_lab.ranking import SIGMA, load_ranker, score_photos
from pqa_lab.simulation import (
    DEVICES,
    FAULTS,
    Shot,
    Take,
    aim,
    apply_faults,
    compare,
    develop,
    draw_scene,
    draw_take,
    ideal_photo,
    ideal_shot,
    illuminant,
)
from pqa_lab.simulation.pixels import decode_jpeg
from pqa_lab.views import detect_face
from pqa_lab.viz import Shown, show
from pqa_lab.widgets.explorer import Explorer
from pqa_lab.widgets.pictures import opened, pictures_figure, row_html

SIZE = 256
IDEAL = "ideal"
# field of a Shot -> (words, lowest, highest, step); exposure counts from the ideal shot's
KNOBS = {
    "stops": ("exposure, stops", -3.0, 3.0, 0.1),
    "warmth": ("warmth, stops", -1.5, 1.5, 0.1),
    "light": ("sensor, stops", -9.0, 0.0, 0.5),
    "defocus": ("defocus, pixels", 0.0, 4.0, 0.1),
    "motion": ("motion, pixels", 0.0, 10.0, 0.2),
    "denoise": ("noise reduction", 0.0, 0.3, 0.01),
    "sharpen": ("sharpening", 0.0, 4.0, 0.1),
    "hdr": ("HDR", 0.0, 1.0, 0.05),
    "contrast": ("contrast", 0.0, 1.0, 0.05),
    "saturation": ("saturation", 0.0, 2.5, 0.05),
    "jpeg": ("JPEG quality", 5.0, 97.0, 1.0),
}
BASE_ELECTRONS = 20_000.0  # of a white at 0 stops; 9 stops less leave 40


@lru_cache(maxsize=4)
def _take(scene: int, seed: int) -> Take:
    return draw_take(draw_scene(scene, seed, 1), 0, 0, SIZE)


@dataclass
class CameraBench:
    """A camera whose knobs are ``values``, in front of a drawn portrait or of a photo.

    Parameters
    ----------
    photo : anything that `load_photo` takes, optional
        Then the knobs are the severities, 0 to 1, of ``faults``.
    scene, seed : int
        Which portrait is drawn where no photo is given.
    faults : tuple of str
        Keys of `pqa_lab.simulation.FAULTS`.
    model : str, Path or nn.Module
        Who scores; see `pqa_lab.rank`.
    """

    photo: Any = None
    scene: int = 0
    seed: int = 0
    faults: tuple[str, ...] = ("blur", "motion", "noise", "smear", "under", "over", "cast", "flat", "compression")
    model: Any = "default"
    values: list[float] = field(default_factory=list)

    def __post_init__(self):
        unknown = [name for name in self.faults if name not in FAULTS]
        if unknown:
            raise InputError(f"There is no fault {unknown[0]!r}; choose among {', '.join(FAULTS)}.")
        if self.photo is None:
            self.take = _take(self.scene, self.seed)
            self.reference, self.mask = ideal_photo(self.take), self.take.portrait.face
        else:
            self.take, self.reference, self.mask = None, opened(self.photo, max_side=768), None
        self.box = detect_face(self.reference)
        self._camera, self._seen = IDEAL, {}
        self.values = list(self.values) or self._ideal_values()

    @property
    def knobs(self) -> dict[str, tuple[str, float, float, float]]:
        """Name -> (words, lowest, highest, step), in the order of ``values``."""
        return KNOBS if self.take is not None else {name: (name, 0.0, 1.0, 0.05) for name in self.faults}

    def put(self, _name: str, k: int, value: float) -> None:
        """Turn one knob."""
        self.values[k] = float(value)

    def turn(self, **knobs: float) -> "CameraBench":
        """A copy whose knobs, by name, are turned: ``bench.turn(defocus=2)``."""
        names = list(self.knobs)
        unknown = [name for name in knobs if name not in names]
        if unknown:
            raise InputError(f"There is no knob {unknown[0]!r}; turn {', '.join(names)}.")
        values = [float(knobs.get(name, value)) for name, value in zip(names, self.values, strict=True)]
        return replace(self, photo=None if self.take is not None else self.reference, values=values)

    @property
    def camera(self) -> str:
        """The device whose settings were taken last; setting it turns all knobs to what it would do here."""
        return self._camera

    @camera.setter
    def camera(self, name: str) -> None:
        self._camera = name
        if name == IDEAL:
            self.values[:] = self._ideal_values()
            return
        shot = aim(self._linear(), DEVICES[name], self.take.light, np.random.default_rng(self.seed))
        best = ideal_shot(self.take.light)
        found = {
            **{name: getattr(shot, name) for name in KNOBS if hasattr(shot, name)},
            "stops": shot.stops - best.stops,
            "warmth": float(np.log2(shot.balance[0] / shot.balance[2]) - np.log2(best.balance[0] / best.balance[2])),
            "light": float(np.log2(shot.electrons / BASE_ELECTRONS)),
        }
        self.values[:] = [float(np.clip(found[name], low, high)) for name, (_, low, high, _) in KNOBS.items()]

    def reset(self) -> None:
        """All knobs back."""
        self.camera = IDEAL

    def _ideal_values(self) -> list[float]:
        if self.take is None:
            return [0.0] * len(self.faults)
        best = ideal_shot(self.take.light)
        start = {"stops": 0.0, "warmth": 0.0, "light": 0.0}
        return [float(start.get(name, getattr(best, name, 0.0))) for name in KNOBS]

    def _linear(self) -> np.ndarray:
        return self.take.portrait.linear * illuminant(self.take.light.kelvin)

    def shot(self) -> Shot:
        """The shot that the knobs come to."""
        value = dict(zip(KNOBS, self.values, strict=True))
        best = ideal_shot(self.take.light)
        red, green, blue = best.balance
        half = 2.0 ** (value.pop("warmth") / 2)
        light = value.pop("light")
        # At full light the bench's sensor is the ideal camera's, without noise.
        electrons = np.inf if light == 0 else BASE_ELECTRONS * 2.0**light
        value |= {"stops": best.stops + value["stops"], "jpeg": round(value["jpeg"])}
        return replace(best, **value, balance=(red * half, green, blue / half), electrons=electrons, read_noise=3.0)

    def picture(self) -> np.ndarray:
        """The photo that the knobs give, (H, W, 3) uint8."""
        if self.take is None:
            severity = {name: v for name, v in zip(self.faults, self.values, strict=True) if v > 0}
            return apply_faults(self.reference, severity, self.seed)
        return decode_jpeg(develop(self._linear(), self.shot(), np.random.default_rng(self.seed)))

    def scores(self) -> dict[str, float]:
        """``predicted`` JODs above the reference (below 0: worse), ``chance`` of being preferred, ``true`` JODs.

        The truth is the simulation's own measure; of a real photo with faults it is the same measure, not people's.
        """
        key = tuple(self.values)
        if key not in self._seen:
            photo = self.picture()
            net, calibration, _ = load_ranker(self.model)
            score = score_photos(net, [self.reference, photo], [self.box, self.box])
            predicted = float(calibration.scale * (score[1] - score[0]))
            true = compare(self.reference, photo, self.mask)["overall"]
            self._seen = {key: {"predicted": predicted, "chance": float(ndtr(predicted / SIGMA)), "true": true}}
        return self._seen[key]

    def turned(self) -> list[str]:
        """The knobs that are not where the ideal camera has them."""
        pairs = zip(self.knobs, self.values, self._ideal_values(), strict=True)
        return [f"{self.knobs[name][0]} {value:g}" for name, value, ideal in pairs if abs(value - ideal) > 1e-9]

    def words(self) -> str:
        jod = self.scores()
        return (
            f"{'; '.join(self.turned()) or 'Nothing turned'}. The ranker: {_signed(jod['predicted'])} JOD against the "
            f"reference ({100 * jod['chance']:.0f} % prefer this photo). "
            f"The simulation's truth: {_signed(jod['true'])} JOD."
        )

    def faces(self) -> dict[str, str]:
        photo = self.picture()
        maps = {f"{part.name}. {part.legend}": part.image for part in part_maps(photo)}
        return {
            "photo": row_html({"reference": self.reference, "this camera": photo}, self.words(), 320),
            "maps": row_html(maps, "", 165),
        }

    def static(self, settings: dict[str, dict[str, float]] | None = None) -> Shown:
        """A few settings of the knobs, ``{label: {knob: value}}``, beside the reference, with the scores."""
        if settings is None and self.take is None:
            settings = {f"{name} 0.6": {name: 0.6} for name in self.faults[:3]}
        settings = settings or {
            "out of focus": {"defocus": 2.0},
            "dark sensor": {"light": -8.0},
            "two stops too bright": {"stops": 2.0},
        }
        benches = {label: self.turn(**knobs) for label, knobs in settings.items()}
        pictures = {"reference": self.reference} | {label: bench.picture() for label, bench in benches.items()}
        words = " ".join(f"{label}: {bench.words()}" for label, bench in benches.items())
        table = pd.DataFrame([{"photo": label, **bench.scores()} for label, bench in benches.items()]).round(2)
        text = f"The reference and {len(benches)} settings of the camera. {words}"
        return show(pictures_figure(pictures, text, columns=len(pictures)), table=table)


def _signed(jod: float) -> str:
    return f"{round(jod, 2) + 0.0:+.2f}"  # no minus before a zero


def camera_bench(photo: Any = None, scene: int = 0, model: Any = "default") -> Explorer:
    """Turn the knobs of a camera; see the photo, its predicted and true quality, and the maps. Lesson 00.

    Parameters are those of `CameraBench`; ``camera_bench().static()`` is the twin for viewers without a kernel.
    """
    import ipywidgets

    session = CameraBench(photo, scene, model=model)
    controls: dict = {}
    if session.take is not None:
        controls["camera"] = ipywidgets.Dropdown(options=[IDEAL, *DEVICES], value=IDEAL, description="camera")
    for k, (words, low, high, step) in enumerate(session.knobs.values()):
        # A score takes a second, so it is asked for when the slider comes to rest.
        controls["values", k] = ipywidgets.FloatSlider(
            session.values[k], min=low, max=high, step=step, description=words, continuous_update=False
        )
    controls["reset"] = ipywidgets.Button(description="Reset")
    return Explorer(session, "Camera bench", controls)
