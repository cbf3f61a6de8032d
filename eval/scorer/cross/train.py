"""Trains the cross-encoder on pairs, and scores pairs with it.

Embeddings stay frozen. bfloat16 is used where the processor has it. With the same inputs, seed and number of threads a
run gives the same model on the same machine. A checkpoint is written every few minutes and a killed run goes on from it.
"""

import argparse
import hashlib
import json
import math
import os
import random
import time

import torch
from model import from_minilm
from torch.nn import functional as F


def fold_of(group, folds):
    return int(hashlib.md5(group.encode()).hexdigest(), 16) % folds


def read(paths):
    records = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            records += [json.loads(line) for line in file]
    return records


def tensors(batch):
    longest = max(len(r["ids"]) for r in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    kinds, valid = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, r in enumerate(batch):
        n = len(r["ids"])
        ids[i, :n] = torch.tensor(r["ids"])
        kinds[i, r["claim_length"] : n] = 1
        valid[i, :n] = 1
    return ids, kinds, valid


def batches(records, size, rng):
    """Batches of similar length: shuffled, sorted within stretches of fifty batches, shuffled again."""
    order = list(range(len(records)))
    rng.shuffle(order)
    found = []
    for start in range(0, len(order), 50 * size):
        stretch = sorted(order[start : start + 50 * size], key=lambda i: len(records[i]["ids"]))
        found += [stretch[i : i + size] for i in range(0, len(stretch), size)]
    rng.shuffle(found)
    return found


def loss_of(model, batch, token_weight):
    ids, kinds, valid = tensors(batch)
    z, u = model(ids, kinds, valid)
    label = torch.tensor([float(r["label"]) for r in batch])
    weight = torch.tensor([r.get("weight", 1.0) for r in batch])
    # A little smoothing: people disagree on one label in ten.
    whole = F.binary_cross_entropy_with_logits(z, label * 0.94 + 0.03, weight=weight)
    parts, count = torch.zeros(()), 0
    rows = [i for i, r in enumerate(batch) if r["marks"]]
    if rows:
        mark = torch.full(u.shape, -1.0)
        for i in rows:
            mark[i, 1 : 1 + len(batch[i]["marks"])] = torch.tensor(batch[i]["marks"])
        known = mark >= 0
        parts = F.binary_cross_entropy_with_logits(u[known], mark[known], pos_weight=torch.tensor(3.0))
        count = len(rows) / len(batch)
    return whole + token_weight * count * parts, whole.detach()


def mixed():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def score(model, records, size=64):
    """Support logits and the highest token logit, in the order of the records."""
    model.eval()
    order = sorted(range(len(records)), key=lambda i: len(records[i]["ids"]))
    out = [None] * len(records)
    with torch.inference_mode(), mixed():
        for start in range(0, len(order), size):
            part = order[start : start + size]
            z, u = model(*tensors([records[i] for i in part]))
            for i, a, b in zip(part, z.tolist(), u.max(1).values.tolist()):
                out[i] = (a, b)
    return out


def balance(records):
    """Sources count by the square root of their size, and both labels of a source alike, within bounds."""
    counts = {}
    for r in records:
        key = (r["source"], r["label"])
        counts[key] = counts.get(key, 0) + 1
    for r in records:
        here, other = counts[r["source"], r["label"]], counts.get((r["source"], 1 - r["label"]), 1)
        r["weight"] = min(2.0, max(0.5, math.sqrt(other / here)))
    return records


def capped(records, most_person, most_made, seed):
    """At most so many pairs of each source, labelled by people and made; the same ones for the same seed."""
    order = sorted(records, key=lambda r: hashlib.md5(f"{seed}/{r['id']}".encode()).digest())
    counts, kept = {}, []
    for r in order:
        made = r["kind"] not in ("person", "whole")
        key = (r["source"], made)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= (most_made if made else most_person):
            kept.append(r)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", nargs="+", required=True)
    parser.add_argument("--extra", help="made pairs mixed in")
    parser.add_argument("--extra-share", type=float, default=0.3, help="made pairs per pair of each epoch")
    parser.add_argument("--minilm", required=True, help="folder of config.json, model.safetensors, tokenizer.json")
    parser.add_argument("--start", help="weights to start from instead")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--leave-fold", type=int)
    parser.add_argument("--leave-source")
    parser.add_argument("--frozen-layers", type=int, default=0)
    parser.add_argument("--most-person", type=int, default=10**9, help="labelled pairs taken from a source")
    parser.add_argument("--most-made", type=int, default=10**9, help="corrupted or reworded pairs taken from a source")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--token-weight", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)

    def used(r):
        if r["split"] != "train" or r["label"] is None:
            return False
        if args.leave_source and r["source"].startswith(args.leave_source):
            return False
        return args.leave_fold is None or fold_of(r["group"], args.folds) != args.leave_fold

    records = [r for r in read(args.pairs) if used(r)]
    records = capped(records, args.most_person, args.most_made, args.seed)
    extra = [r for r in read([args.extra]) if used(r)] if args.extra else []
    records, extra = balance(records), balance(extra)
    model = from_minilm(args.minilm)
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True))
    model.word.requires_grad_(False)
    model.position.requires_grad_(False)
    for layer in model.layers[: args.frozen_layers]:
        layer.requires_grad_(False)
    plain, decayed = [], []
    for p in model.parameters():
        if p.requires_grad:
            (decayed if p.ndim > 1 else plain).append(p)
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, fused=True)
    plan = []
    whole_epochs = math.ceil(args.epochs)
    for epoch in range(whole_epochs):
        take = rng.sample(range(len(extra)), min(len(extra), int(args.extra_share * len(records))))
        pool = [("r", i) for i in range(len(records))] + [("e", i) for i in take]
        items = [records[i] if k == "r" else extra[i] for k, i in pool]
        found = batches(items, args.batch, rng)
        if epoch == whole_epochs - 1 and args.epochs < whole_epochs:
            found = found[: int(len(found) * (args.epochs - epoch))]
        plan += [[items[i] for i in b] for b in found]
    print(len(records), "pairs", len(extra), "made", len(plan), "steps", flush=True)
    at, checkpoint = 0, args.out + ".part"
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        at = saved["at"]
    model.train()
    begun = saved_at = shown_at = time.time()
    seen, running = 0, None
    warm = max(1, int(0.06 * len(plan)))
    for step in range(at, len(plan)):
        rate = args.rate * min((step + 1) / warm, (len(plan) - step) / (len(plan) - warm + 1))
        for group in optimiser.param_groups:
            group["lr"] = rate
        with mixed():
            loss, shown = loss_of(model, plan[step], args.token_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seen += len(plan[step])
        running = float(shown) if running is None else 0.98 * running + 0.02 * float(shown)
        now = time.time()
        if now - shown_at > 30:
            shown_at = now
            print(f"{step + 1}/{len(plan)} loss {running:.4f} {seen / (now - begun):.1f} pairs/s", flush=True)
        if now - saved_at > 180:
            saved_at = now
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "at": step + 1}, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
    torch.save(model.state_dict(), args.out)
    if os.path.exists(checkpoint):
        os.remove(checkpoint)
    print(f"done in {time.time() - begun:.0f} s, {time.process_time():.0f} cpu s", flush=True)


def load(minilm, weights):
    model = from_minilm(minilm)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


if __name__ == "__main__":
    main()
