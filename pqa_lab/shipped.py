"""Where the files that travel with the package lie: apps and notebooks, in a wheel or in a clone."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """Folder ``"apps"`` or ``"notebooks"``: inside an installed wheel, or beside the package in a clone."""
    installed = PACKAGE / f"_{folder}"
    return installed if installed.is_dir() else PACKAGE.parent / folder
