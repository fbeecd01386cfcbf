"""``pqa-lab doctor``: what is installed, what is missing, and how to mend it."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

# extra -> (import name, distribution)
NEEDED = {
    "": [
        ("numpy", "numpy"),
        ("scipy", "scipy"),
        ("pandas", "pandas"),
        ("PIL", "pillow"),
        ("pillow_heif", "pillow-heif"),
        ("skimage", "scikit-image"),
        ("torch", "torch"),
        ("torchvision", "torchvision"),
        ("timm", "timm"),
        ("transformers", "transformers"),
        ("accelerate", "accelerate"),
        ("datasets", "datasets"),
        ("safetensors", "safetensors"),
        ("plotly", "plotly"),
    ],
    "lab": [("jupyterlab", "jupyterlab"), ("ipywidgets", "ipywidgets"), ("anywidget", "anywidget")],
    "app": [("gradio", "gradio")],
    "classroom": [("nbgrader", "nbgrader")],
    "test": [("pytest", "pytest"), ("playwright", "playwright")],
}


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``status`` is ``"ok"``, ``"missing"`` (an optional part) or ``"broken"``."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def explain_import_error(name: str, error: BaseException) -> str:
    """Turn the message of a failed import into what to do about it."""
    text = str(error)
    if "torchvision::nms" in text or "torchvision.ops" in text or "libc10" in text or "libtorch" in text:
        return (
            "torch and torchvision are of different builds: both must come from the same index. "
            "Mend it with: python -m pip uninstall -y torch torchvision && python -m pip install torch torchvision"
        )
    if isinstance(error, ModuleNotFoundError):
        return f"python -m pip install {name}"
    return f"python -m pip install --force-reinstall {name}"


def check_package(module: str, distribution: str, extra: str) -> Finding:
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        status = "missing" if extra else "broken"
        wanted = f'".[{extra}]"' if extra else distribution
        return Finding(distribution, status, "not installed", f"python -m pip install {wanted}")
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken binary can raise anything at import
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Finding(
            distribution, "broken", f"{version}, import fails: {reason}", explain_import_error(module, error)
        )
    return Finding(distribution, "ok", version)


def check_machine() -> list[Finding]:
    findings = []
    version = sys.version_info[:2]
    ok = (3, 11) <= version < (3, 14)
    findings.append(
        Finding("python", "ok" if ok else "broken", platform.python_version(), "" if ok else "use Python 3.11 to 3.13")
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    findings.append(Finding("cpu cores", "ok", str(cores)))
    try:
        import torch

        detail = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none: everything runs on the CPU"
        findings.append(Finding("gpu", "ok", detail))
    except Exception:
        pass  # torch's own line says what is wrong
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    findings.append(
        Finding("chromium", "ok", browser)
        if browser
        else Finding("chromium", "missing", "not found (only the browser tests need it)", "apt-get install chromium")
    )
    return findings


def check_weights() -> Finding:
    from pqa_lab.ranking import DEFAULT_MODEL

    if (DEFAULT_MODEL / "model.safetensors").is_file():
        size = (DEFAULT_MODEL / "model.safetensors").stat().st_size / 2**20
        return Finding("default ranker", "ok", f"{size:.1f} MB, ships with the package")
    return Finding("default ranker", "broken", "weights are missing", "reinstall pqa-lab")


def diagnose() -> list[Finding]:
    """Check Python, the packages by extra, the machine and the shipped weights; nothing is changed."""
    findings = check_machine()
    for extra, packages in NEEDED.items():
        findings += [check_package(module, distribution, extra) for module, distribution in packages]
    findings.append(check_weights())
    return findings
