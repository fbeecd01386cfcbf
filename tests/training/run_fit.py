"""A training script as a user would write it: alone, under torchrun, or killed and resumed. For the slow tests.

python run_fit.py OUT [--steps N] [--kill STEP] [--resume] [--ema] [--accumulate A]
"""

import argparse
import os
import signal

import torch
from training_toy import recipe, toy, toy_rows

from pqa_lab.training import fit, split_validation

parser = argparse.ArgumentParser()
parser.add_argument("out")
parser.add_argument("--steps", type=int)
parser.add_argument("--kill", type=int)
parser.add_argument("--resume", action="store_true")
parser.add_argument("--ema", type=float, default=0.0)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--accumulate", type=int, default=1)
args = parser.parse_args()


def kill(record, history):
    if record["step"] == args.kill:
        os.kill(os.getpid(), signal.SIGKILL)


torch.set_num_threads(1)
rows, held_out = split_validation(toy_rows(6, 12))
fit(
    toy(dropout=args.dropout),
    rows,
    held_out,
    recipe(epochs=3, scenes_per_batch=4, schedule="cosine", warmup_epochs=1, ema=args.ema, accumulate=args.accumulate),
    out=args.out,
    max_steps=args.steps,
    resume=args.resume,
    save_every=0.5,
    progress=False,
    device="cpu",
    callbacks=[kill],
)
