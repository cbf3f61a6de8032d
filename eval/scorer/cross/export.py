"""Writes the trained model as int8 ONNX with its tokenizer and a card, and checks that it still says the same.

Inputs of the graph: `input_ids`, `token_type_ids`, `attention_mask` (int64, batch x length).
Outputs: `support` (0..1 for each pair) and `unsupported` (0..1 for each token; 0 outside the claim).
"""

import argparse
import hashlib
import json
import os
import shutil
import time

import numpy
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from train import load, read, score, tensors


class Shipped(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, token_type_ids, attention_mask):
        z, u = self.model(input_ids, token_type_ids, attention_mask)
        return torch.sigmoid(z), torch.sigmoid(u)


def session(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx_scores(path, records, size=1, threads=1):
    """(support logit, highest token logit) of each record from an exported model."""
    runner = session(path, threads)
    order = sorted(range(len(records)), key=lambda i: len(records[i]["ids"]))
    out = [None] * len(records)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        ids, kinds, valid = (t.numpy() for t in tensors([records[i] for i in part]))
        support, wrong = runner.run(None, {"input_ids": ids, "token_type_ids": kinds, "attention_mask": valid})
        support = numpy.clip(support.astype("float64"), 1e-6, 1 - 1e-6)
        wrong = numpy.clip(wrong.astype("float64").max(1), 1e-6, 1 - 1e-6)
        for i, a, b in zip(part, support, wrong):
            out[i] = (float(numpy.log(a / (1 - a))), float(numpy.log(b / (1 - b))))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minilm", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--pairs", required=True, help="pairs to compare the two models on")
    parser.add_argument("--out", required=True, help="folder")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(1)
    model = load(args.minilm, args.weights)
    full, small = os.path.join(args.out, "full.onnx"), os.path.join(args.out, "model.onnx")
    ids = torch.ones(2, 16, dtype=torch.long)
    kinds, mask = torch.zeros_like(ids), torch.ones_like(ids)
    kinds[:, 8:] = 1
    names = ["input_ids", "token_type_ids", "attention_mask"]
    axes = {n: {0: "batch", 1: "length"} for n in (*names, "unsupported")} | {"support": {0: "batch"}}
    torch.onnx.export(
        Shipped(model), (ids, kinds, mask), full, input_names=names, output_names=["support", "unsupported"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    quantize_dynamic(full, small, weight_type=QuantType.QInt8, per_channel=True, extra_options={"MatMulConstBOnly": True})
    onnx.checker.check_model(small)
    shutil.copy(f"{args.minilm}/tokenizer.json", args.out)
    records = [r for r in read([args.pairs]) if r["split"] == "dev"][::12]
    exact = numpy.array(score(model, records))[:, 0]
    begun = time.process_time()
    quantised = numpy.array(onnx_scores(small, records))[:, 0]
    spent = (time.process_time() - begun) / len(records) * 1000
    again = numpy.array(onnx_scores(small, records[:50]))[:, 0]
    figures = {
        "pairs": len(records),
        "correlation": round(float(numpy.corrcoef(exact, quantised)[0, 1]), 4),
        "mean_difference_of_probability": round(float(numpy.abs(1 / (1 + numpy.exp(-exact)) - 1 / (1 + numpy.exp(-quantised))).mean()), 4),
        "same_side_of_half": round(float(((exact > 0) == (quantised > 0)).mean()), 4),
        "cpu_ms_per_pair_one_thread": round(spent, 2),
        "mean_tokens": round(sum(len(r["ids"]) for r in records) / len(records), 1),
        "deterministic": bool((again == quantised[:50]).all()),
        "bytes": os.path.getsize(small),
        "sha256": hashlib.sha256(open(small, "rb").read()).hexdigest(),
    }
    longest = [r for r in records if len(r["ids"]) >= 155][:100]
    if longest:
        begun = time.process_time()
        onnx_scores(small, longest)
        figures["cpu_ms_at_160_tokens"] = round((time.process_time() - begun) / len(longest) * 1000, 2)
    print(json.dumps(figures, indent=1))
    with open(os.path.join(args.out, "export.json"), "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)
    os.remove(full)


if __name__ == "__main__":
    main()
