"""What child processes of the tests run; here, because a spawned child imports its function by name."""

import os
import time


def vote_a_lot(path, observer, n, start, answers):
    """One of many who vote at once; reports the ids that the store acknowledged."""
    from pqa_lab.scaling.store import VoteStore

    start.wait()
    store = VoteStore(path)
    ids = []
    for k in range(n):
        ids.append(store.add("park", f"a{k}", f"b{k}", "first", observer))
        time.sleep(0.005)  # so that the others get in between
    answers.put((observer, ids))


def batches_of_a_rank(rank, world, folder, scenes):
    """A real gloo process: its batches, joined with the others', are those of one process."""
    import torch.distributed as dist
    from torch.utils.data import DataLoader

    from pqa_lab.scenes.sampler import SceneBatchSampler

    os.environ["OMP_NUM_THREADS"] = "1"
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    sampler = SceneBatchSampler(scenes, 4, 8, seed=7, distinct=True, num_replicas=world, rank=dist.get_rank())
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append([batch.tolist() for batch in DataLoader(range(len(scenes)), batch_sampler=sampler)])
    gathered = [None] * world
    dist.all_gather_object(gathered, epochs)
    alone = SceneBatchSampler(scenes, 4, 8, seed=7, distinct=True)
    for epoch in range(2):
        alone.set_epoch(epoch)
        joined = [sum(parts, []) for parts in zip(*(shard[epoch] for shard in gathered), strict=True)]
        assert joined == list(alone)
    dist.destroy_process_group()
