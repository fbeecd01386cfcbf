"""The survey's tables, and the public per-attribute baselines of PIQ23, as data with their sources.

Numbers only, as printed. What can be proved from them is in `pqa_lab.evaluation.survey_proofs`; what the parameter
counts mean is told method by method in `pqa_lab.methods`.
"""

from __future__ import annotations

from io import StringIO

import pandas as pd

SURVEY = 'arXiv 2404.11159, "Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey", CVPRW 2024'
README = "DXOMARK-Research/PIQ2023, README.md, tables under Benchmarks"
CHALLENGE_SCENES, CHALLENGE_IMAGES = 96, 7  # section 2, "Test Dataset and Evaluation"

_TABLE1 = """
team          method         key           section  piq23_srcc piq23_plcc piq23_krcc challenge_srcc challenge_plcc challenge_krcc
Xidian-IPPL   RQ-Net         rqnet         3.1      0.820      0.839      0.621      0.554          0.597          0.381
BDVQAGroup    BDVQA          bdvqa         3.2      0.849      0.866      0.667      0.393          0.575          0.333
SJTU_MMLab    PQE            pqe           3.3      0.864      0.857      0.690      0.411          0.544          0.333
I2Group       MoNet          monet         3.4      0.760      0.791      0.580      0.357          0.433          0.286
SECE-SYSU     SAR            sar           3.5      0.828      0.855      0.651      0.304          0.453          0.238
Baseline_1    HyperIQA       hyperiqa      2.1      0.740      0.736      0.550      0.429          0.560          0.333
Baseline_2    SEM-HyperIQA   sem_hyperiqa  2.1      0.749      0.752      0.558      0.518          0.605          0.333
Baseline_3    FULL-HyperIQA  fhiqa         2.1      0.778      0.784      0.586      0.536          0.633          0.429
"""  # noqa: E501

_TABLE2 = """
team          method         key           piq23_score challenge_score params_m extra_data train_res
Xidian-IPPL   RQ-Net         rqnet         0.751       0.517           57.6     Yes        224
BDVQAGroup    BDVQA          bdvqa         0.779       0.433           794      No         384
SJTU_MMLab    PQE            pqe           0.811       0.429           174      Yes        384
I2Group       MoNet          monet         0.710       0.368           408      No         384
SECE-SYSU     SAR            sar           0.777       0.315           149      No         224
Baseline_1    HyperIQA       hyperiqa      0.676       0.456           128      No         1300px
Baseline_2    SEM-HyperIQA   sem_hyperiqa  0.690       0.501           145      No         1300px
Baseline_3    FULL-HyperIQA  fhiqa         0.711       0.515           145      No         1300px
"""

_TABLE3 = """
module         macs_g flops_g params_m
Face_detector  3.36   3.36    14.22
Other_modules  26.11  35.43   135.02
"""

# README at commit 00a4429: all attributes; FULL-HyperIQA and a corrected DBCNN came with 4a20fa8.
_BASELINES = """
revision split  model             attribute srcc  plcc  krcc  mae
00a4429  device DBCNN             Details   0.787 0.783 0.59  0.777
00a4429  device DBCNN             Exposure  0.807 0.804 0.611 0.704
00a4429  device DBCNN             Overall   0.83  0.824 0.653 0.656
00a4429  device MUSIQ             Details   0.824 0.831 0.65  0.627
00a4429  device MUSIQ             Exposure  0.848 0.859 0.671 0.585
00a4429  device MUSIQ             Overall   0.848 0.837 0.65  0.626
00a4429  device HyperIQA          Details   0.793 0.766 0.618 0.751
00a4429  device HyperIQA          Exposure  0.8   0.828 0.636 0.721
00a4429  device HyperIQA          Overall   0.818 0.825 0.66  0.612
00a4429  device SEM-HyperIQA      Details   0.854 0.847 0.676 0.645
00a4429  device SEM-HyperIQA      Exposure  0.826 0.858 0.65  0.635
00a4429  device SEM-HyperIQA      Overall   0.845 0.856 0.674 0.641
00a4429  device SEM-HyperIQA-CO   Details   0.829 0.821 0.641 0.697
00a4429  device SEM-HyperIQA-CO   Exposure  0.816 0.843 0.633 0.668
00a4429  device SEM-HyperIQA-CO   Overall   0.829 0.843 0.64  0.624
00a4429  device SEM-HyperIQA-SO   Details   0.874 0.871 0.709 0.583
00a4429  device SEM-HyperIQA-SO   Exposure  0.826 0.846 0.651 0.678
00a4429  device SEM-HyperIQA-SO   Overall   0.84  0.849 0.661 0.639
00a4429  scene  DBCNN             Details   0.623 0.55  0.449 0.916
00a4429  scene  DBCNN             Exposure  0.712 0.741 0.528 0.863
00a4429  scene  DBCNN             Overall   0.633 0.621 0.446 1.173
00a4429  scene  MUSIQ             Details   0.674 0.671 0.487 0.972
00a4429  scene  MUSIQ             Exposure  0.764 0.772 0.569 0.87
00a4429  scene  MUSIQ             Overall   0.736 0.759 0.549 0.956
00a4429  scene  HyperIQA          Details   0.701 0.668 0.504 0.936
00a4429  scene  HyperIQA          Exposure  0.692 0.684 0.498 0.863
00a4429  scene  HyperIQA          Overall   0.74  0.736 0.55  0.989
00a4429  scene  SEM-HyperIQA      Details   0.732 0.649 0.547 0.879
00a4429  scene  SEM-HyperIQA      Exposure  0.716 0.697 0.53  0.967
00a4429  scene  SEM-HyperIQA      Overall   0.749 0.752 0.558 1.033
00a4429  scene  SEM-HyperIQA-CO   Details   0.746 0.714 0.549 0.849
00a4429  scene  SEM-HyperIQA-CO   Exposure  0.698 0.698 0.517 0.945
00a4429  scene  SEM-HyperIQA-CO   Overall   0.739 0.736 0.55  1.038
4a20fa8  scene  DBCNN             Overall   0.59  0.64  0.43  1.04
4a20fa8  scene  FULL-HyperIQA     Overall   0.78  0.78  0.59  1.12
"""


def table1() -> pd.DataFrame:
    """SRCC, PLCC and KRCC of the survey's Table 1 on PIQ23's test scenes and on the challenge's private set.

    One row a method: ``team, method, key`` (in ``pqa_lab.methods.METHODS``), ``section``, then three columns each.

    Lessons 03, 04, 13.
    """
    return _read(_TABLE1, f"Table 1 of {SURVEY}", section=str)


def table2() -> pd.DataFrame:
    """Final scores, parameters in millions as printed, extra data and training resolution of the survey's Table 2.

    Lesson 03.
    """
    table = _read(_TABLE2, f"Table 2 of {SURVEY}", train_res=str)
    return table.assign(extra_data=table["extra_data"] == "Yes")


def table3() -> pd.DataFrame:
    """Cost of SAR's two modules in the survey's Table 3 (GMACs, GFLOPs, millions); 755 ms an image in all."""
    return _read(_TABLE3, f"Table 3 of {SURVEY}")


def piq23_baselines() -> pd.DataFrame:
    """The organisers' baselines on PIQ23 for every attribute and split; median over scenes.

    One row a ``revision`` of their README, ``split`` (scene, device), ``model`` and ``attribute``, with ``srcc, plcc,
    krcc, mae``. Each model is the epoch with the largest SRCC *on the test set*, and the README itself warns of a
    margin of error. For the scene split of DBCNN, Overall, the two revisions differ by 0.04 in SRCC: a glimpse of it.
    """
    return _read(_BASELINES, f"{README}, commits 00a4429 and 4a20fa8", revision=str)


def _read(text: str, source: str, **dtypes: type) -> pd.DataFrame:
    table = pd.read_csv(StringIO(text.strip()), sep=r"\s+", dtype=dtypes or None)
    for column in ("team", "module"):
        if column in table:
            table[column] = table[column].str.replace("_", " ")
    table.attrs["source"] = source
    return table
