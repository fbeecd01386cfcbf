"""List the licences of what pqa_lab depends on: ``python docs/licences.py`` writes LICENSES.md (everything installed).

``--all`` prints the whole tree of the environment, indirect dependencies too, without writing.
"""

import argparse
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "LICENSES.md"
HEAD = """\
# Licences

pqa_lab is Apache-2.0 ([LICENSE](LICENSE)), its own weights included: they were trained on pictures that the package
draws itself and, the default ranker, on parts of four photographs of things that scikit-image carries (cat, coffee cup,
rocket, motorcycle). The portraits in examples and tests come with dependencies and are in the public domain in the
United States: Eileen Collins (NASA, in scikit-image) and Grace Hopper (US Navy, in matplotlib).

- **PIQ23** is for research only and may not be passed on. None of its images, scores or tables is here.
- The methods are written anew from papers and, for facts, from public code; no code was copied
  ([provenance](pqa_lab/provenance.csv)). Some of those repositories have no licence at all.
- Backbones fetched with `pretrained=True` (OpenAI's CLIP, ImageNet weights of timm) have their own licences.
- Binary wheels may carry libraries under other licences than the package's own: `pillow-heif` (HEIC photos) libheif
  and libde265 (LGPL-3.0) and x265 (GPL-2.0), `torch` with CUDA NVIDIA's. That matters to those who pass on an
  environment or an image with them inside.

What it depends on directly, as each package states it
(made by `docs/licences.py`; `--all` prints the indirect ones too):

| package | for | licence |
|---|---|---|
"""


def declared() -> dict[str, str]:
    """Package -> what needs it: the package itself, or an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"pqa_lab": project["dependencies"], **project["optional-dependencies"]}
    found = {}
    for group, requirements in groups.items():
        for requirement in requirements:
            found.setdefault(re.match(r"[\w.-]+", requirement)[0], []).append(group)
    return {name: ", ".join(needed) for name, needed in sorted(found.items(), key=lambda item: item[0].lower())}


def licence(name: str) -> str:
    """What a package's metadata say; "?" where they say nothing, or it is not installed."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return "?"
    if told["License-Expression"]:
        return told["License-Expression"]
    classified = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or () if c.startswith("License :: OSI")]
    first = (told["License"] or "").strip().splitlines()[:1]
    return ", ".join(classified) or (first[0] if first and len(first[0]) < 60 else "?")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="print every installed package's licence instead")
    if parser.parse_args().all:
        for name in sorted({dist.metadata["Name"] for dist in distributions()}, key=str.lower):
            print(f"{name:32} {licence(name)}")
        return
    lines = [f"| {name} | {group} | {licence(name)} |" for name, group in declared().items()]
    PAGE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
