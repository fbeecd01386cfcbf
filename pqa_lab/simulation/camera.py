"""A small raw-to-JPEG camera: light in, the file that a phone would write out.

Three plain types: a :class:`Light` (what the scene offers), a :class:`Device` (what a phone is and how its maker tuned
it), and a :class:`Shot` (what one press of the button came to: every physical number of it). ``aim`` draws a shot,
``develop`` makes the picture; ``shoot`` does both. A shot holds all that is wrong with a picture, so it is also the
source of the known truth, and changing one number of it (``dataclasses.replace``) changes one thing in the picture.

The order is a camera's: lens and movement blur the light, the sensor counts electrons, then white balance, noise
reduction, local and global tone, colour, sharpening, JPEG. There is no Bayer mosaic: its traces (coloured, slightly
correlated noise) come from blurring the noise a little. Numbers of the presets are ours, chosen to look like phones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pqa_lab.simulation.pixels import (
    blur,
    convolve,
    decode_jpeg,
    disc_kernel,
    guided_smooth,
    jpeg_bytes,
    line_kernel,
    luminance,
    to_srgb,
    to_uint8,
    unit,
)

WAVELENGTHS = np.array([610e-9, 545e-9, 465e-9])  # metres; where the three colour filters peak


@dataclass(frozen=True)
class Light:
    """What a scene of a ``condition`` (PIQ23's) offers: ``stops`` of light below full daylight (negative), its colour,
    ``kelvin``, and ``key``, the gain in stops that brings the face to its right lightness (0: a face in the key light;
    2: a face two stops in the shade)."""

    condition: str = "outdoor"
    stops: float = 0.0
    kelvin: float = 5500.0
    key: float = 0.0


@dataclass(frozen=True)
class Device:
    """A point in the space of cameras. Lengths are pixels of a 256-pixel picture, "sd" is the scatter between shots.

    Sensor: ``electrons`` at white, ``read_noise`` in electrons, ``night_stops`` that a night mode adds up. Lens:
    ``lens_blur`` and ``corner_blur``, radii; ``focus_sd``. Automatics: ``exposure_sd`` in stops. Finish: ``sharpen``,
    ``contrast`` and ``saturation``, ``jpeg`` quality and chroma ``subsampling``. ``DEVICES`` has them by ``name``.
    """

    name: str
    tier: str = "mid"  # "low" | "mid" | "high" | "reference"
    # Sensor: electrons that a white sheet gives in daylight at the base setting; read noise in electrons.
    electrons: float = 4000.0
    read_noise: float = 4.0
    # In the dark: how many stops a longer exposure or a burst of merged frames wins, and what that costs in movement.
    night_stops: float = 3.0
    shake: float = 0.25  # pixels of motion per doubling of the exposure time
    dim: float = 0.12  # stops that the picture darkens per stop of missing light
    # Lens
    lens_blur: float = 0.45
    corner_blur: float = 0.5
    vignette: float = 0.3  # stops in the corner
    flare: float = 0.01  # share of the light that spreads over the picture
    focus_sd: float = 0.3
    # Metering and white balance
    bias: float = 0.0  # stops
    exposure_sd: float = 0.15
    face_metering: float = 0.6  # 1 exposes for the face, 0 for the frame's mean
    adaptation: float = 0.9  # share of the light's colour that white balance takes out
    cast_sd: float = 0.05  # stops between red and blue
    tint: float = 0.0  # stops of green
    # Image processing
    denoise: float = 1.0  # how hard noise is smoothed, in multiples of its own size
    sharpen: float = 0.8
    halo: float = 0.8  # radius of sharpening
    hdr: float = 0.3  # share of the coarse contrast that local tone mapping takes out of the shadows
    clarity: float = 0.1  # local contrast
    contrast: float = 0.15
    shoulder: float = 0.6  # 0 clips highlights hard, 1 rolls them off softly
    saturation: float = 1.05
    jpeg: int = 90
    subsampling: int = 2


# Each is good somewhere: "halo" is cheap but bright and sharp outdoors, "lumen" owns the night and smears by day, ...
DEVICES: dict[str, Device] = {
    d.name: d
    for d in [
        Device("pebble", "low", 1100, 5, 1.6, 0.45, 0.18, 0.7, 1.3, 0.7, 0.05, 0.6, 0.0, 0.5, 0.2, 0.6, 0.25,
               0.04, 1.3, 1.3, 1.2, 0.0, 0.0, 0.3, 0.1, 1.0, 66),
        Device("halo", "low", 1600, 5, 2.2, 0.35, 0.16, 0.5, 0.9, 0.5, 0.03, 0.45, 0.2, 0.4, 0.4, 0.75, 0.2,
               -0.03, 0.8, 2.6, 1.1, 0.1, 0.2, 0.35, 0.2, 1.3, 78),
        Device("dusk", "low", 1300, 6, 2.4, 0.3, 0.26, 0.6, 1.1, 0.6, 0.04, 0.45, -0.6, 0.4, 0.3, 0.85, 0.15,
               0.0, 0.35, 0.6, 0.9, 0.0, 0.0, 0.1, 0.4, 0.85, 82),
        Device("cream", "mid", 1900, 4, 2.6, 0.2, 0.08, 0.42, 0.7, 0.3, 0.02, 0.3, 0.45, 0.3, 0.85, 0.85, 0.16,
               0.0, 2.2, 0.9, 0.9, 0.45, -0.05, 0.0, 0.6, 1.0, 86),
        Device("amber", "mid", 2300, 4, 2.6, 0.2, 0.12, 0.42, 0.6, 0.35, 0.02, 0.3, -0.1, 0.35, 0.6, 0.62, 0.12,
               -0.05, 1.0, 0.9, 0.9, 0.25, 0.1, 0.2, 0.5, 1.15, 88),
        Device("crisp", "mid", 2600, 4, 2.4, 0.25, 0.15, 0.36, 0.5, 0.3, 0.02, 0.25, -0.2, 0.35, 0.4, 0.9, 0.12,
               0.0, 0.7, 1.8, 0.9, 0.2, 0.3, 0.3, 0.4, 1.1, 88),
        Device("polar", "mid", 2200, 4, 3.2, 0.2, 0.08, 0.42, 0.6, 0.4, 0.06, 0.3, 0.15, 0.35, 0.6, 1.15, 0.12,
               0.05, 1.1, 0.8, 0.8, 0.5, 0.0, -0.1, 0.6, 0.8, 85),
        Device("lumen", "high", 3600, 2.5, 5.5, 0.07, 0.0, 0.36, 0.4, 0.15, 0.012, 0.2, 0.1, 0.15, 0.9, 0.95, 0.05,
               0.0, 1.3, 1.4, 0.8, 0.5, 0.15, 0.0, 0.8, 1.12, 91),
        Device("north", "high", 4200, 2.5, 2.9, 0.18, 0.12, 0.32, 0.4, 0.2, 0.01, 0.2, 0.0, 0.2, 0.85, 0.93, 0.06,
               0.0, 0.9, 0.8, 0.7, 0.4, 0.1, 0.08, 0.8, 1.03, 92),
        Device("vista", "high", 4600, 2.5, 3.2, 0.12, 0.14, 0.30, 0.35, 0.2, 0.012, 0.2, -0.15, 0.25, 0.5, 0.95, 0.06,
               0.02, 0.6, 1.3, 0.75, 0.3, 0.22, 0.18, 0.7, 1.14, 93),
        Device("honest", "high", 5200, 2.2, 2.4, 0.15, 0.2, 0.30, 0.3, 0.2, 0.01, 0.2, -0.1, 0.2, 0.7, 0.9, 0.05,
               0.0, 0.35, 0.5, 0.7, 0.2, 0.05, 0.1, 0.7, 0.97, 94),
        Device("mirror", "high", 3400, 2.5, 4.2, 0.12, 0.05, 0.34, 0.35, 0.15, 0.02, 0.2, 0.25, 0.2, 1.0, 0.85, 0.07,
               -0.02, 1.3, 0.7, 0.8, 0.65, 0.0, -0.05, 0.9, 0.95, 90),
        Device("zenith", "high", 4800, 2.5, 3.6, 0.15, 0.1, 0.31, 0.4, 0.25, 0.015, 0.2, 0.05, 0.25, 0.7, 1.05, 0.06,
               0.03, 0.7, 1.0, 0.7, 0.35, 0.3, 0.25, 0.6, 1.22, 92),
        Device("studio", "reference", 30000, 2.0, 3.0, 0.1, 0.03, 0.22, 0.15, 0.1, 0.004, 0.12, 0.0, 0.06, 1.0, 0.97,
               0.015, 0.0, 0.3, 0.6, 0.6, 0.35, 0.06, 0.1, 0.9, 1.04, 96, 0),
    ]
}  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """Every physical number of one picture. The defaults are the ideal camera: no blur, no noise, right light.

    ``lens_blur, corner_blur, vignette, flare, sharpen, halo, hdr, clarity, contrast, shoulder, saturation, jpeg`` and
    ``subsampling`` as in `Device`.
    """

    stops: float = 0.0  # gain from scene light to picture
    electrons: float = np.inf  # that a white of the *picture* stands for
    read_noise: float = 0.0  # in electrons
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # white-balance gains
    lens_blur: float = 0.0
    corner_blur: float = 0.0
    vignette: float = 0.0
    flare: float = 0.0
    defocus: float = 0.0  # radius
    motion: float = 0.0  # length
    angle: float = 0.0  # radians
    denoise: float = 0.0  # contrast, in encoded units, below which texture is smeared
    sharpen: float = 0.0
    halo: float = 0.8
    hdr: float = 0.35
    clarity: float = 0.0
    contrast: float = 0.1
    shoulder: float = 0.9
    saturation: float = 1.0
    jpeg: int = 97
    subsampling: int = 0


def illuminant(kelvin: float) -> np.ndarray:
    """Colour (3,) of a black body of ``kelvin`` as the sensor sees it, green 1; 6500 K is neutral.

    Planck's law at the peaks of the three filters, relative to a black body of 6500 K.
    """

    def planck(temperature: float) -> np.ndarray:
        # B ~ lambda^-5 / (exp(hc / (lambda k T)) - 1), and hc/k = 0.014388 m K
        return WAVELENGTHS**-5 / np.expm1(0.014388 / (WAVELENGTHS * temperature))

    colour = planck(kelvin) / planck(6500.0)
    return (colour / colour[1]).astype(np.float32)


def _mean_metering(linear: np.ndarray) -> float:
    """Stops that bring the centre-weighted log mean of the frame to mid-grey (18 %)."""
    height, width = linear.shape[:2]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    weight = np.exp(-(x**2 + y**2))
    log_mean = np.average(np.log2(luminance(linear) + 0.005), weights=weight)
    return float(np.log2(0.18) - log_mean)


def aim(linear: np.ndarray, device: Device, light: Light, rng: np.random.Generator) -> Shot:
    """What the device's automatics decide for this scene, and what chance adds.

    Parameters
    ----------
    linear : ndarray (H, W, 3)
        Scene light with the colour of its lamp; a white sheet in the key light is 1 whatever ``light.stops`` says.
    device, light : Device, Light
    rng : numpy Generator
        Scatter of exposure, focus, movement and colour.

    Returns
    -------
    Shot
    """
    scatter = rng.standard_normal(6)
    # The longer exposure (or burst) makes up for part of the missing light; the rest is missing electrons.
    missing = max(0.0, -light.stops + max(light.key, 0.0) * 0.5)
    won = min(missing, device.night_stops)
    metered = device.face_metering * light.key + (1 - device.face_metering) * np.clip(
        _mean_metering(linear), light.key - 2.5, light.key + 2.5
    )
    stops = metered + device.bias - device.dim * max(0.0, missing - won) + device.exposure_sd * scatter[0]
    electrons = device.electrons * 2.0 ** (won - missing)
    lamp = illuminant(light.kelvin)
    log_balance = -device.adaptation * np.log2(lamp) + np.array([0.5, 0.0, -0.5]) * device.cast_sd * scatter[1]
    log_balance[1] += device.tint + 0.4 * device.cast_sd * scatter[2]
    balance = 2.0 ** (log_balance - log_balance[1])
    # Noise of a mid-grey in encoded units sets how hard the denoiser works.
    noise = 0.5 * np.sqrt(0.2 / electrons + (device.read_noise / electrons) ** 2) / np.sqrt(0.2)
    return Shot(
        stops=float(stops),
        electrons=float(electrons),
        read_noise=device.read_noise,
        balance=tuple(float(b) for b in balance),
        lens_blur=device.lens_blur,
        corner_blur=device.corner_blur,
        vignette=device.vignette,
        flare=device.flare * (1 + 0.5 * abs(float(scatter[3]))),
        defocus=device.focus_sd * abs(float(scatter[4])),
        motion=device.shake * (0.3 + won + 0.5 * max(0.0, missing - won)) * abs(float(scatter[5])),
        angle=float(rng.uniform(0, np.pi)),
        denoise=float(device.denoise * (0.012 + noise)),
        sharpen=device.sharpen,
        halo=device.halo,
        hdr=device.hdr,
        clarity=device.clarity,
        contrast=device.contrast,
        shoulder=device.shoulder,
        saturation=device.saturation,
        jpeg=device.jpeg,
        subsampling=device.subsampling,
    )


def _optics(light: np.ndarray, shot: Shot, px: float) -> np.ndarray:
    """Lens, focus, movement, vignetting and flare, in linear light."""
    height, width = light.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius2 = (((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2)[..., None]  # 1 in the corners
    soft = blur(light, shot.lens_blur * px)
    if shot.corner_blur:
        soft = soft + radius2 * (blur(soft, shot.corner_blur * 1.5 * px) - soft)
    if shot.defocus * px > 0.3:
        soft = convolve(soft, disc_kernel(shot.defocus * px))
    if shot.motion * px > 0.3:
        soft = convolve(soft, line_kernel(shot.motion * px, shot.angle))
    if shot.vignette:
        soft = soft * 2.0 ** (-shot.vignette * radius2)
    if shot.flare:
        # Most of the stray light is even over the frame, some glows around the lamps; energy is conserved.
        glow = 0.5 * blur(soft, 12 * px) + 0.5 * soft.mean((0, 1), keepdims=True)
        soft = soft + min(shot.flare, 0.5) * (glow - soft)
    return soft


def _sense(light: np.ndarray, shot: Shot, px: float, rng: np.random.Generator) -> np.ndarray:
    """Electrons of a sensor that saturates two stops above white, scaled back to light.

    variance = light / electrons + (read_noise / electrons)^2
    """
    if not np.isfinite(shot.electrons):
        return light
    counted = rng.poisson(np.clip(light, 0, 4) * shot.electrons).astype(np.float32)
    counted += shot.read_noise * rng.standard_normal(light.shape, np.float32)
    return counted / np.float32(shot.electrons)


def _denoise(picture: np.ndarray, shot: Shot, px: float) -> np.ndarray:
    """Luma is smeared below a contrast, chroma more so: fine texture goes first, edges last."""
    if shot.denoise <= 0.002:
        return picture
    luma = luminance(picture)
    radius = max(1, round(1.5 * px))
    guide = guided_smooth(luma, luma, radius, shot.denoise)
    smooth = guided_smooth(guide, guide, radius, shot.denoise) if shot.denoise > 0.04 else guide
    chroma = guided_smooth(picture - luma[..., None], guide, max(2, round(3 * px)), 2 * shot.denoise)
    return smooth[..., None] + chroma


def _tone(light: np.ndarray, shot: Shot, px: float) -> np.ndarray:
    """Local tone mapping in log light, then a global curve: linear light -> encoded picture."""
    if shot.hdr or shot.clarity:
        level = np.log2(luminance(light) + 0.01)
        # An edge-preserving base, so that shadows are lifted without halos of a stop.
        base = guided_smooth(level, level, max(2, round(12 * px)), 1.0)
        lift = -shot.hdr * 0.6 * (base - np.log2(0.25)) * (1 - 0.4 * (base < np.log2(0.25)))
        lift = lift + 1.2 * shot.clarity * (level - blur(level, 6 * px))
        light = light * 2.0 ** lift[..., None]
    # Highlights: y = x up to a knee, then a shoulder that reaches 1 at 2^(2 shoulder); 0 is a hard clip.
    knee = 1 - 0.45 * shot.shoulder
    if shot.shoulder:
        over = np.maximum(light - knee, 0)
        light = np.minimum(light, knee) + (1 - knee) * -np.expm1(-over / (1 - knee))
    picture = to_srgb(light)
    # An S-curve around mid-grey: contrast a adds a sin(2 pi y) wave.
    return picture - shot.contrast * 0.12 * np.sin(2 * np.pi * picture, dtype=np.float32)


def develop(linear: np.ndarray, shot: Shot, rng: np.random.Generator) -> bytes:
    """The JPEG file that this shot of the scene gives.

    Parameters
    ----------
    linear : ndarray (H, W, 3) float
        Scene light, see :func:`aim`.
    shot : Shot
    rng : numpy Generator
        Draws the noise.

    Returns
    -------
    bytes
    """
    px = unit(linear)
    light = _optics(linear.astype(np.float32), shot, px)
    light = _sense(light * np.float32(2.0**shot.stops), shot, px, rng)
    light = np.maximum(light * np.array(shot.balance, np.float32), 0)
    # Denoising works on square roots of light, where shot noise has one size everywhere.
    light = np.maximum(_denoise(np.sqrt(light), shot, px), 0) ** 2
    picture = _tone(light, shot, px)
    grey = luminance(picture)
    if shot.saturation != 1:
        picture = grey[..., None] + shot.saturation * (picture - grey[..., None])
    if shot.sharpen:
        picture = picture + shot.sharpen * (grey - blur(grey, shot.halo * px))[..., None]
    return jpeg_bytes(to_uint8(picture), shot.jpeg, shot.subsampling)


def shoot(linear: np.ndarray, device: Device, light: Light, rng: np.random.Generator) -> np.ndarray:
    """A photo (H, W, 3) uint8 of the scene by the device; :func:`aim` and :func:`develop` one after the other.

    ``linear`` and ``light`` as in :func:`aim`.
    """
    return decode_jpeg(develop(linear, aim(linear, device, light, rng), rng))


def ideal_shot(light: Light, key_trim: float = 0.0) -> Shot:
    """What a perfect camera in a photographer's hands would do with this light.

    ``key_trim`` is further gain, in stops.
    """
    # A night portrait should still look like night: half a stop darker than a day's.
    mood = -0.5 if light.condition == "night" else -0.2 if light.condition == "lowlight" else 0.0
    # A warm lamp may keep a little of its warmth.
    balance = illuminant(light.kelvin) ** -0.93
    return replace(Shot(), stops=light.key + mood + key_trim, balance=tuple(float(b) for b in balance / balance[1]))
