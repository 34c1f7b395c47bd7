"""Converts llama2.c's stories260K.bin (v0, float32) into a Hugging Face Llama folder.

    python convert_stories260k.py stories260K.bin OUTPUT

llama2.c rotates adjacent pairs (2i, 2i+1) of a head; Hugging Face rotates (i, i + d/2). So the rows of wq and wk are
permuted within each head: even rows first, then odd ones.
"""
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file


def convert(source, output):
    raw = pathlib.Path(source).read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, context = (int(x) for x in np.frombuffer(raw, "<i4", 7))
    data = np.frombuffer(raw, "<f4", offset=28)
    tied, vocab, head = vocab > 0, abs(vocab), dim // heads
    at = 0

    def take(*shape):
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return data[at - count:at].reshape(shape)

    def half_split(weight, count):
        return weight.reshape(count, head // 2, 2, dim).transpose(0, 2, 1, 3).reshape(-1, dim)

    embedding = take(vocab, dim)
    attention_norm = take(layers, dim)
    wq, wk, wv = take(layers, dim, dim), take(layers, kv_heads * head, dim), take(layers, kv_heads * head, dim)
    wo, ffn_norm = take(layers, dim, dim), take(layers, dim)
    w1, w2, w3 = take(layers, hidden, dim), take(layers, dim, hidden), take(layers, hidden, dim)
    tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": take(dim)}
    take(context * head)  # old rotary tables
    if not tied:
        tensors["lm_head.weight"] = take(vocab, dim)
    assert at == data.size, (at, data.size)
    for i in range(layers):
        p = f"model.layers.{i}."
        tensors |= {p + "input_layernorm.weight": attention_norm[i], p + "post_attention_layernorm.weight": ffn_norm[i],
                    p + "self_attn.q_proj.weight": half_split(wq[i], heads),
                    p + "self_attn.k_proj.weight": half_split(wk[i], kv_heads),
                    p + "self_attn.v_proj.weight": wv[i], p + "self_attn.o_proj.weight": wo[i],
                    p + "mlp.gate_proj.weight": w1[i], p + "mlp.down_proj.weight": w2[i], p + "mlp.up_proj.weight": w3[i]}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab, "hidden_size": dim,
              "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "max_position_embeddings": context, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": 2,
              "hidden_act": "silu", "torch_dtype": "float32"}
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, output / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    convert(*sys.argv[1:])
