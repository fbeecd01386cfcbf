"""How much faster HyperIQA is than its textbook formulation: the same weights, side by side in one run.

    python -m pqa_lab.methods.benchmark_hyperiqa --size 1344 --threads 1

The textbook does what the public code does, in its order: batch norms apart from their convolutions, 1 x 1 convolutions
on full maps before the 7 x 7 averages, and the target networks of a batch as one grouped convolution over 1 x 1 maps.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from pqa_lab.methods.hyperiqa import HyperIQA


def textbook(model: HyperIQA, x: Tensor) -> Tensor:
    """Scores (B,) of photos (B, 3, S, S), S the model's size, by the public code's sequence of operations."""
    net, batch = model.net, len(x)
    maps = net.backbone.body(x)
    content = []
    for k, stage in enumerate(maps):
        local = net.local_convs[k](stage) if k < 3 else stage
        content.append(net.local_fcs[k](F.avg_pool2d(local, 7).flatten(1)))
    hyper = net.squeeze(maps[3])
    v = torch.cat(content, 1).view(1, -1, 1, 1)  # (1, B 224r, 1, 1)
    for conv, fc in zip(net.weight_convs, net.bias_fcs[:4], strict=True):
        bias = fc(hyper.mean((2, 3))).flatten()  # (B out,)
        weight = conv(hyper).view(len(bias), -1, 1, 1)  # (B out, in, 1, 1)
        v = F.conv2d(v, weight, bias, groups=batch).sigmoid()  # (1, B out, 1, 1)
    weight, bias = net.weight_fc(hyper.mean((2, 3))), net.bias_fcs[4](hyper.mean((2, 3)))  # (B, 14r), (B, 1)
    return F.conv2d(v, weight[:, :, None, None], bias.flatten(), groups=batch).flatten()  # (B,)


@torch.inference_mode()
def benchmark(size: int = 1344, batch: int = 1, repeats: int = 5) -> dict[str, float]:
    """Time both formulations in turn.

    Parameters
    ----------
    size, batch : int
        Photos are (batch, 3, size, size), size a multiple of 224.
    repeats : int
        Runs of each, interleaved; the least CPU time of each counts (of all threads: robust to other load).

    Returns
    -------
    dict
        ``textbook`` and ``ours`` (CPU seconds a photo), ``ratio`` (textbook / ours), ``difference`` (largest, in
        score) and ``score`` (the first).
    """
    torch.manual_seed(0)
    model, x = HyperIQA.paper(size=size).eval(), torch.randn(batch, 3, size, size)
    best, answers = {}, {}
    for _ in range(repeats):
        for name, run in (("textbook", lambda: textbook(model, x)), ("ours", lambda: model({"image": x}).score)):
            start = time.process_time()
            answers[name] = run()
            best[name] = min(best.get(name, float("inf")), (time.process_time() - start) / batch)
    difference = (answers["textbook"] - answers["ours"]).abs().max().item()
    return best | {
        "ratio": best["textbook"] / best["ours"],
        "difference": difference,
        "score": answers["ours"][0].item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1344)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    result = benchmark(asked.size, asked.batch, asked.repeats)
    print(f"HyperIQA at {asked.size} px, batch {asked.batch}, {asked.threads} thread(s), CPU seconds a photo")
    print(f"  textbook {result['textbook']:.3f}   ours {result['ours']:.3f}   ratio {result['ratio']:.2f}")
    print(f"  scores differ by at most {result['difference']:.1e} (score {result['score']:.4f})")


if __name__ == "__main__":
    main()
