"""The cross-encoder: a six-layer BERT with two heads, written out so that nothing but torch is needed.

Every claim token gets a logit `u` (this word is not in the evidence), the pair a logit from its first token; the support
logit is first - logsumexp(u). One wrong word is enough to make a claim unsupported, and the reader can be shown which.
"""

import json

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


CLS, SEP = 101, 102


class Layer(nn.Module):
    def __init__(self, size, heads, inner):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)
        self.norm1 = nn.LayerNorm(size, eps=1e-12)
        self.up = nn.Linear(size, inner)
        self.down = nn.Linear(inner, size)
        self.norm2 = nn.LayerNorm(size, eps=1e-12)

    def forward(self, x, mask):
        batch, length, size = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(batch, length, size)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class CrossEncoder(nn.Module):
    def __init__(self, vocab=30522, size=384, layers=6, heads=12, inner=1536, positions=512):
        super().__init__()
        self.word = nn.Embedding(vocab, size)
        self.position = nn.Embedding(positions, size)
        self.kind = nn.Embedding(2, size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        self.layers = nn.ModuleList(Layer(size, heads, inner) for _ in range(layers))
        self.first = nn.Linear(size, 1)
        self.token = nn.Linear(size, 1)
        self.drop = nn.Dropout(0.1)

    def hidden(self, ids, kinds, valid):
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.kind(kinds)
        x = self.drop(self.norm(x))
        mask = torch.zeros(valid.shape, dtype=x.dtype).masked_fill(valid == 0, -1e4)[:, None, None, :]
        if torch.is_autocast_enabled("cpu"):
            mask, x = mask.to(torch.bfloat16), x.to(torch.bfloat16)
        for layer in self.layers:
            x = layer(x, mask)
        return x.float()

    def forward(self, ids, kinds, valid):
        """(support logit, token logits); tokens outside the claim get -30."""
        x = self.drop(self.hidden(ids, kinds, valid))
        inside = (valid == 1) & (kinds == 0) & (ids != CLS) & (ids != SEP)
        with torch.autocast("cpu", enabled=False):
            u = torch.where(inside, self.token(x).squeeze(-1), torch.full((), -30.0))
            return self.first(x[:, 0]).squeeze(-1) - torch.logsumexp(u, dim=1), u


def from_minilm(folder):
    """The encoder with the weights of a MiniLM-L6 checkpoint (safetensors) and fresh heads."""
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    w = load_file(f"{folder}/model.safetensors")
    model = CrossEncoder(
        config["vocab_size"], config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"],
        config["intermediate_size"], config["max_position_embeddings"],
    )  # fmt: skip
    state = {
        "word.weight": w["embeddings.word_embeddings.weight"],
        "position.weight": w["embeddings.position_embeddings.weight"],
        "kind.weight": w["embeddings.token_type_embeddings.weight"],
        "norm.weight": w["embeddings.LayerNorm.weight"],
        "norm.bias": w["embeddings.LayerNorm.bias"],
    }
    for i in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{i}."
        for part in ("weight", "bias"):
            state[f"layers.{i}.qkv.{part}"] = torch.cat([w[f"{p}attention.self.{n}.{part}"] for n in ("query", "key", "value")])
            state[f"layers.{i}.out.{part}"] = w[f"{p}attention.output.dense.{part}"]
            state[f"layers.{i}.norm1.{part}"] = w[f"{p}attention.output.LayerNorm.{part}"]
            state[f"layers.{i}.up.{part}"] = w[f"{p}intermediate.dense.{part}"]
            state[f"layers.{i}.down.{part}"] = w[f"{p}output.dense.{part}"]
            state[f"layers.{i}.norm2.{part}"] = w[f"{p}output.LayerNorm.{part}"]
    missing, unknown = model.load_state_dict(state, strict=False)
    assert not unknown and all(name.startswith(("first", "token")) for name in missing), (missing, unknown)
    nn.init.normal_(model.first.weight, std=0.02)
    nn.init.normal_(model.token.weight, std=0.02)
    nn.init.constant_(model.first.bias, 1.0)
    nn.init.constant_(model.token.bias, -3.0)
    return model
