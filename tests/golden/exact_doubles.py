"""Fixtures with which transformers computes a float64 model in float64: as it comes it normalises and takes the loss in
float32, whatever the model is in."""
import pytest
import torch
from transformers.loss import loss_utils
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2


@pytest.fixture(autouse=True)
def exact_double_norms(monkeypatch):
    def forward(self, x):
        wide = x if x.dtype == torch.float64 else x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * normed.to(x.dtype)
    for norm in (modeling_llama.LlamaRMSNorm, modeling_mistral.MistralRMSNorm, modeling_qwen2.Qwen2RMSNorm):
        monkeypatch.setattr(norm, "forward", forward)


@pytest.fixture(autouse=True)
def exact_double_loss(monkeypatch):
    def loss(logits, labels, vocab_size, num_items_in_batch=None, ignore_index=-100, shift_labels=None, **_):
        if shift_labels is None:
            shift_labels = torch.nn.functional.pad(labels, (0, 1), value=ignore_index)[..., 1:]
        return loss_utils.fixed_cross_entropy(logits.view(-1, vocab_size), shift_labels.reshape(-1), num_items_in_batch,
                                              ignore_index)
    monkeypatch.setitem(loss_utils.LOSS_MAPPING, "ForCausalLM", loss)
