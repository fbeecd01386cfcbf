"""What the survey holds, as short keys without its words.

    python tests/survey_inventory.py    # reads ../shared/reference/survey.txt, writes tests/data/survey_inventory.csv

A line for every sentence of every section (``3.1/04`` is the fourth of section 3.1), numbered equation, figure and
table row, with the numbers in it and a digest that shows when the text behind a key is another one. Every key has to
be in ``pqa_lab/provenance.csv``: ``test_provenance.py``.
"""

import hashlib
import re
from pathlib import Path

import pandas as pd

INVENTORY = Path(__file__).parent / "data" / "survey_inventory.csv"
SURVEY_TEXT = Path(__file__).parents[2] / "shared" / "reference" / "survey.txt"
HEADING = re.compile(
    r"(Abstract|1 Introduction|2 Portrait IQA.*|3 Challenge Results.*|[23]\.\d [A-Z].*|Acknowledgements)"
)
NO_PROSE = re.compile(r"(Contact:|Nicolas Chahine|Marcos V|NTIRE 2024 webpage|Code and Dataset|[A-Z]\w+ [A-Z]\w+ \d)")
# The text form lost the signs between these.
TORN = {"244244": "244", "224224": "224", "7749": "7 49", "3232": "32", "75%": "75"}


def sections(text: str) -> dict[str, list[str]]:
    """Number of a section -> its lines."""
    found, name = {}, None
    for line in map(str.strip, text.partition("\nReferences\n")[0].splitlines()):
        if HEADING.fullmatch(line):
            name = line.split()[0]
        elif name and line:
            found.setdefault(name, []).append(line)
    found.pop("Acknowledgements", None)
    return found


def sentences(lines: list[str]) -> list[str]:
    """The sentences of a section and the items of its lists; no headings, names or addresses."""
    prose = [line for line in lines if "|" not in line and not NO_PROSE.match(line)]
    prose = [line for line in prose if re.search(r"[.:]$", line) or len(line) > 90 or re.match(r"[A-Z][\w ]+: ", line)]
    end = re.compile(r"(?:(?<=[a-z\d)\]%][.])|(?<= [.])|(?<=[A-Z]{3}[.]))\s+(?=[A-Z(])")
    return [part.strip() for line in prose for part in end.split(line) if len(part) > 12]


def numbers(text: str) -> list[str]:
    """The numbers of a text, without citations, references to figures, list marks and names such as ViT-B/16."""
    text = re.sub(r"\[[\d, ]+\]|https?://\S+|^\(\d\)", " ", text)
    text = re.sub(r"\b(Figs?\.|Figure|Tab\.|Table|Sec\.) \d(\.\d)?( and \d)?", " ", text)
    for torn, mended in TORN.items():
        text = text.replace(torn, mended)
    return list(dict.fromkeys(re.findall(r"(?<![\w./-])\d+(?:\.\d+)?(?:e-?\d+)?", text)))


def inventory(text: str) -> pd.DataFrame:
    """One row a place: ``key, numbers`` (blank between), ``digest``."""
    found = sections(text)
    places = {f"{name}/{i:02d}": s for name, lines in found.items() for i, s in enumerate(sentences(lines), 1)}
    body = "\n".join(line for lines in found.values() for line in lines)
    for number in sorted(set(re.findall(r"^\(([1-9])\)(?: \|)", body, re.M))):
        places[f"equation{number}"] = ""  # the text form lost the formula
    figures = {
        number for group in re.findall(r"Fig(?:s?\.|ure) (\d(?: and \d)?)", body) for number in group.split(" and ")
    }
    places |= {f"figure{number}": "" for number in sorted(figures)}
    places |= _table_rows(body)
    rows = [
        {"key": key, "numbers": " ".join(numbers(told)), "digest": hashlib.sha256(told.encode()).hexdigest()[:8]}
        for key, told in places.items()
    ]
    return pd.DataFrame(rows)


def _table_rows(body: str) -> dict[str, str]:
    """Rows of Tables 1 and 2 by method, of Table 3 by quantity."""
    rows, table = {}, 0
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3:
            table += line.startswith("Inference time")
            rows |= {"table3/time": line} if line.startswith("Inference time") else {}
            continue
        if cells[0] in ("Team", "Module"):
            table = {9: 1, 8: 2}.get(len(cells), 3)
        elif table and re.search(r"\d", line) and cells[1] and not cells[0].startswith("PIQ23"):
            name = re.split(r" [\[(]", cells[1])[0] if table < 3 else cells[0]
            rows[f"table{table}/{name}"] = " ".join(cells[2:] if table < 3 else cells[1:])
    return rows


if __name__ == "__main__":
    inventory(SURVEY_TEXT.read_text(encoding="utf-8")).to_csv(INVENTORY, index=False)
