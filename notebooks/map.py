"""Make the course's start page, ``README.md`` beside the lessons, from their sources: ``python notebooks/map.py``.

The road, the time, and which file of the package each lesson reads; then, for every public function of the package that
a lesson uses, the lessons that use it. ``--check`` only compares.
"""

import argparse
import ast
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
COMMON = {"check", "drawing", "marker", "near", "photos", "same", "setup", "show", "diagram"}  # in every lesson
INTRO = """\
# The course: from votes to generalization

<!-- made by notebooks/map.py from the lessons -->

You know Python and a little deep learning, and nothing about image quality. At the end you can run a study of your own,
read the survey critically, train each of its methods, and say why it fails on a new scene. Begin with
[lesson 00](00_rank_a_scene_group.ipynb); every lesson says which earlier one it needs. Each has exercises with hints and
checks; [solutions](solutions) are public. Words are in the [glossary](GLOSSARY.md).

Everything runs offline on two CPU cores, on simulated scenes: no figure here is one of PIQ23.
"""
ROAD = """
```
votes --01--> JODs --02--> scenes --04--> views --06..11--> scores --03--> a table --13--> why it fails on new scenes
  ^                                          |                 |                             |
  15 your own study                          05 losses         12 training well              14 use the scene
```
"""


def facts(source: Path) -> dict[str, str]:
    """Title, aims, time and the package's files of a lesson, as its own text states them."""
    text = re.sub(r"^# ?", "", source.read_text(encoding="utf-8"), flags=re.M)

    def row(name: str) -> str:
        return re.search(rf"^\| \*\*{name}\*\* \| (.*) \|$", text, re.M)[1]

    title = re.search(r"^# \d\d · (.*)$", text, re.M)[1]
    files = dict.fromkeys(re.findall(r"`(pqa_lab/[\w/]+\.py)`", text[text.index("## References") :]))
    return {"title": title, "aims": row("You will be able to"), "time": row("Time"), "files": list(files)}


def used(source: Path) -> dict[str, set[str]]:
    """Module of the package -> names that the lesson takes from it."""
    tree, rooms, found = ast.parse(source.read_text(encoding="utf-8")), {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(name.name == "pqa_lab" for name in node.names):
            rooms["pqa_lab"] = "pqa_lab"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pqa_lab":
            for name in node.names:
                if (HERE.parent / node.module.replace(".", "/") / name.name).is_dir():
                    rooms[name.asname or name.name] = f"{node.module}.{name.name}"
                else:
                    found.setdefault(node.module, set()).add(name.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            found.setdefault(rooms[node.value.id], set()).add(node.attr)
    return found


def page() -> str:
    lines, index = [INTRO, ROAD], {}
    lines.append("| lesson | you will be able to | time | files of the package |\n|---|---|---|---|")
    sources = sorted((HERE / "src").glob("[0-9][0-9]_*.py"))
    for source in sources:
        told = facts(source)
        files = "<br>".join(f"[{Path(f).parent.name}/{Path(f).name}](../{f})" for f in told["files"])
        link = f"[{source.stem[:2]} · {told['title']}]({source.stem}.ipynb)"
        lines.append(f"| {link} | {told['aims']} | {told['time']} | {files} |")
        for module, names in used(source).items():
            for name in names - COMMON:
                index.setdefault((module, name), []).append(f"[{source.stem[:2]}]({source.stem}.ipynb)")
    lines.append("\n## Which lesson uses what\n\n| from the package | lessons |\n|---|---|")
    lines += [f"| `{module}.{name}` | {' '.join(lessons)} |" for (module, name), lessons in sorted(index.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the page is out of date")
    check, text = parser.parse_args().check, page()
    if check and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text):
        print("notebooks/README.md is out of date: python notebooks/map.py")
        return 1
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
