"""trec_eval's figures of a run: trec.py QRELS RUN. Prints the means over all judged queries as JSON."""

import json
import sys

import pytrec_eval

NAMES = {"ndcg_cut_10": "ndcg@10", "recall_5": "recall@5", "recall_10": "recall@10", "recip_rank": "mrr"}

qrels, run = {}, {}
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file.read().splitlines()[1:]:
        query, document, gain = line.split("\t")
        qrels.setdefault(query, {})[document] = int(gain)
with open(sys.argv[2], encoding="utf-8") as file:
    for line in file:
        query, _, document, _, score, _ = line.split()
        run.setdefault(query, {})[document] = float(score)

found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut", "recall", "recip_rank"}).evaluate(run)
print(json.dumps({ours: sum(found[query][name] for query in found) / len(qrels) for name, ours in NAMES.items()}))
