"""TRL's own loss code, run on given numbers: its trainers' methods are called on an object that has what they read and
a model that returns given log-probabilities in float64. No formula of TRL is typed again here."""

import contextlib
import types
from collections import defaultdict

import torch
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.sft_trainer import SFTTrainer

PROMPT = 2  # prompt tokens of every sequence; their numbers must not matter


class Accelerator:
    def pad_across_processes(self, tensor, **_):
        return tensor

    device = torch.device("cpu")
    num_processes, process_index = 1, 0
    sync_gradients = True
    parallelism_config = None

    def gather(self, x):
        return x

    gather_for_metrics = gather

    def reduce(self, x, reduction="sum"):
        return x

    def autocast(self):
        return contextlib.nullcontext()


class Model(torch.nn.Module):
    """Answers a forward with the outputs registered for the very tensor of input ids."""

    is_gradient_checkpointing = False

    def __init__(self):
        super().__init__()
        self.outputs = {}

    def forward(self, input_ids=None, **_):
        return self.outputs[input_ids.data_ptr()]


class Sequences:
    """Ragged completions as TRL sees them: padded, behind a prompt, with shifted outputs."""

    def __init__(self, candidates, prefix=""):
        rows = [c[prefix + "logps"] for c in candidates]
        self.lengths = [len(r) for r in rows]
        width = PROMPT + max(self.lengths)
        self.input_ids = torch.zeros(len(rows), width, dtype=torch.long)
        self.completion_mask = torch.zeros(len(rows), width, dtype=torch.long)
        self.attention_mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, length in enumerate(self.lengths):
            self.completion_mask[i, PROMPT : PROMPT + length] = 1
            self.attention_mask[i, : PROMPT + length] = 1

    def shifted(self, rows):
        """[B, width − 1] float64, 0 where nothing is trained on."""
        out = torch.zeros(len(rows), self.input_ids.size(1) - 1, dtype=torch.float64)
        for i, row in enumerate(rows):
            out[i, PROMPT - 1 : PROMPT - 1 + len(row)] = torch.tensor(row, dtype=torch.float64)
        return out

    def outputs(self, candidates, key="logps", grad=False):
        log_probs = self.shifted([c[key] for c in candidates]).requires_grad_(grad)
        other = {
            name: self.shifted([c["_" + name] if key == "logps" and "_" + name in c else [] for c in candidates])
            for name in ("entropy", "is_top1", "log_sum_sq_probs", "mean_logits")
        }
        other["is_top1"] = other["is_top1"].bool()
        return types.SimpleNamespace(
            log_probs=log_probs, label_mask=self.completion_mask[:, 1:], **other,
        )

    def unshift(self, tensor):
        return [tensor[i, PROMPT - 1 : PROMPT - 1 + n].tolist() for i, n in enumerate(self.lengths)]


def stub(trainer, **attributes):
    """A trainer without its constructor."""
    it = object.__new__(trainer)
    defaults = dict(
        model=Model(), ref_model=Model(), accelerator=Accelerator(), aux_loss_enabled=False, _tp_size=1,
        _total_train_tokens=0, _metrics=defaultdict(lambda: defaultdict(list)), precompute_ref_logps=False,
        args=types.SimpleNamespace(gradient_checkpointing_kwargs=None),
    )
    it.__dict__.update(defaults)
    it.__dict__.update(attributes)
    return it


def metrics_of(it):
    return {name: values[-1] for name, values in it._metrics["train"].items()}


def answer(it, loss, leaf, sequences, order):
    """Loss, metrics and −∂loss/∂logps in the fixture's order (`order[row]` is the fixture index of TRL's row)."""
    (gradient,) = torch.autograd.grad(loss, leaf)
    rows = sequences.unshift(-gradient)
    coefficients = [None] * len(rows)
    for row, index in zip(rows, order):
        coefficients[index] = row
    return loss.item(), metrics_of(it), coefficients


def pair_order(candidates):
    groups = sorted({c["group"] for c in candidates})
    side = lambda rank: [
        next(i for i, c in enumerate(candidates) if c["group"] == g and c["rank"] == rank) for g in groups
    ]
    return side(0) + side(1)


def dpo(candidates, loss_type="sigmoid", dtype=torch.float64, **options):
    values = dict(beta=0.1, label_smoothing=0.0, f_divergence_type="reverse_kl", f_alpha_divergence_coef=0.5,
                  ld_alpha=None, use_weighting=False, discopop_tau=0.05)
    values.update(options)
    it = stub(DPOTrainer, loss_types=[loss_type], loss_weights=[1.0], **values)
    it.args.discopop_tau = values["discopop_tau"]
    order = pair_order(candidates)
    rows = [candidates[i] for i in order]
    sequences = Sequences(rows)
    policy = sequences.outputs(rows, grad=True)
    reference = sequences.outputs(rows, "ref_logps")
    if dtype != torch.float64:
        policy.log_probs = policy.log_probs.detach().to(dtype).requires_grad_(True)
        reference.log_probs = reference.log_probs.to(dtype)
    it.model.outputs[sequences.input_ids.data_ptr()] = policy
    it.ref_model.outputs[sequences.input_ids.data_ptr()] = reference
    inputs = {"input_ids": sequences.input_ids, "attention_mask": sequences.attention_mask,
              "completion_mask": sequences.completion_mask}
    loss = it._compute_loss(it.model, inputs, False)
    return answer(it, loss, policy.log_probs, sequences, order)


def kto(candidates, loss_type="kto", **options):
    values = dict(beta=0.1, desirable_weight=1.0, undesirable_weight=1.0)
    values.update(options)
    it = stub(KTOTrainer, loss_type=loss_type, calculate_KL=loss_type == "kto", **values)
    sequences, mismatched = Sequences(candidates), Sequences(candidates, "kl_")
    policy = sequences.outputs(candidates, grad=True)
    it.model.outputs = {sequences.input_ids.data_ptr(): policy,
                        mismatched.input_ids.data_ptr(): mismatched.outputs(candidates, "kl_logps")}
    it.ref_model.outputs = {sequences.input_ids.data_ptr(): sequences.outputs(candidates, "ref_logps"),
                            mismatched.input_ids.data_ptr(): mismatched.outputs(candidates, "kl_ref_logps")}
    inputs = {
        "input_ids": sequences.input_ids, "attention_mask": sequences.attention_mask,
        "completion_mask": sequences.completion_mask, "KL_input_ids": mismatched.input_ids,
        "KL_attention_mask": mismatched.attention_mask, "KL_completion_mask": mismatched.completion_mask,
        "label": torch.tensor([c["label"] for c in candidates]),
    }
    loss = it._compute_loss(it.model, inputs, False)
    return answer(it, loss, policy.log_probs, sequences, range(len(candidates)))


def sft(candidates, loss_type="nll"):
    it = stub(SFTTrainer, compute_loss_func=None, label_smoother=None)
    it.args.__dict__.update(loss_type=loss_type, average_tokens_across_devices=False)
    sequences = Sequences(candidates)
    policy = sequences.outputs(candidates, grad=True)
    it.model.outputs[sequences.input_ids.data_ptr()] = policy
    inputs = {"input_ids": sequences.input_ids, "attention_mask": sequences.attention_mask,
              "labels": sequences.input_ids}
    loss = it.compute_loss(it.model, inputs)
    return answer(it, loss, policy.log_probs, sequences, range(len(candidates)))


def bradley_terry(candidates, margins=None, center=None):
    it = stub(RewardTrainer)
    it.args.center_rewards_coefficient = center
    order = pair_order(candidates)
    scores = torch.tensor([candidates[i]["scores"] for i in order], dtype=torch.float64, requires_grad=True)  # [2P, 1]
    ids = torch.zeros(len(order), 3, dtype=torch.long)
    it.model.outputs[ids.data_ptr()] = types.SimpleNamespace(logits=scores)
    it.model.forward = lambda input_ids=None, **_: it.model.outputs[input_ids.data_ptr()]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if margins is not None:
        inputs["margin"] = torch.tensor(margins, dtype=torch.float64)
        # the collator's column is not an argument of the model
    loss = it.compute_loss(it.model, inputs)
    (gradient,) = torch.autograd.grad(loss, scores)
    coefficients = [None] * len(order)
    for row, index in enumerate(order):
        coefficients[index] = [-gradient[row, 0].item()]
    return loss.item(), metrics_of(it), coefficients


def grpo(candidates, loss_type, scale_rewards="group", **options):
    """Advantages from TRL's _generate_and_score_completions, the loss from its _compute_loss."""
    values = dict(beta=0.0, epsilon=0.2, epsilon_high=None, delta=None, importance_sampling_level="token",
                  use_bias_correction_kl=True, max_completion_length=512, mask_truncated_completions=False,
                  sapo_temperature_pos=1.0, sapo_temperature_neg=1.05, vespo_k_pos=2.0, vespo_lambda_pos=3.0,
                  vespo_k_neg=3.0, vespo_lambda_neg=2.0, off_policy_mask_threshold=None, top_entropy_quantile=1.0,
                  entropy_coef=0.0)
    values.update(options)
    size = sum(1 for c in candidates if c["group"] == candidates[0]["group"])
    it = stub(
        GRPOTrainer, loss_type=loss_type, scale_rewards=scale_rewards, beta=values["beta"],
        epsilon_low=values["epsilon"],
        epsilon_high=values["epsilon"] if values["epsilon_high"] is None else values["epsilon_high"],
        importance_sampling_level=values["importance_sampling_level"],
        max_completion_length=values["max_completion_length"],
        mask_truncated_completions=values["mask_truncated_completions"], num_generations=size, num_iterations=1,
        multi_objective_aggregation="sum_then_normalize", reward_weights=torch.ones(1, dtype=torch.float64),
        reward_func_names=["given"], reward_funcs=[None], environment_factories=None, environments=None, tools=None,
        use_vllm=False, vllm_importance_sampling_correction=False, pad_to_multiple_of=None, eos_token_ids=[9],
        _tokenizer=types.SimpleNamespace(pad_token_id=0), _logs=defaultdict(lambda: defaultdict(list)),
        _pending_extra_logs={}, _pending_metrics={}, top_entropy_quantile=values["top_entropy_quantile"],
        off_policy_mask_threshold=values["off_policy_mask_threshold"], entropy_coef=values["entropy_coef"],
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=values["entropy_coef"] > 0, use_adaptive_entropy=False,
    )
    it._logs.update(prompt=[], completion=[], advantages=[])
    it.model.train()
    it.args.__dict__.update(delta=values["delta"], use_bias_correction_kl=values["use_bias_correction_kl"],
                            **{key: value for key, value in values.items() if key.startswith(("sapo", "vespo"))},
                            steps_per_generation=1, gradient_accumulation_steps=1, per_device_train_batch_size=1)
    lengths = [len(c["logps"]) for c in candidates]
    width = max(lengths)

    def padded(key):
        out = torch.zeros(len(candidates), width, dtype=torch.float64)
        for i, c in enumerate(candidates):
            out[i, : lengths[i]] = torch.tensor(c[key], dtype=torch.float64)
        return out

    completions = [[5] * (n - 1) + [5 if c.get("finish_reason") == "length" else 9]
                   for c, n in zip(candidates, lengths)]
    prompts = [[3] * PROMPT for _ in candidates]
    it._generate = lambda _: (prompts, completions, None, completions, None, {}, None, None)
    it._calculate_rewards = lambda *_: torch.tensor(
        [[float("nan") if c["reward"] is None else c["reward"]] for c in candidates], dtype=torch.float64)
    it._get_per_token_logps_and_entropies = lambda *_, **__: (padded("ref_logps"), None, None)
    inputs = it._generate_and_score_completions([{"prompt": "x"}] * len(candidates))
    bonus = values["entropy_coef"] > 0
    if bonus:  # the entropy has a gradient: everything is a function of the logits
        leaf = torch.zeros(len(candidates), width, len(candidates[0]["logits"][0]), dtype=torch.float64)
        for i, c in enumerate(candidates):
            leaf[i, : lengths[i]] = torch.tensor(c["logits"], dtype=torch.float64)
        log_p = leaf.requires_grad_(True).log_softmax(-1)
        ids = torch.tensor([c["ids"] + [0] * (width - n) for c, n in zip(candidates, lengths)])
        logps, entropies = log_p.gather(2, ids[:, :, None])[:, :, 0], -(log_p.exp() * log_p).sum(-1)
    else:
        leaf = logps = padded("logps").requires_grad_(True)
        entropies = padded("_entropy") if "_entropy" in candidates[0] else torch.zeros_like(leaf)
    it._get_per_token_logps_and_entropies = lambda *_, **__: (logps, entropies, None)
    if "old_logps" in candidates[0]:
        inputs["old_per_token_logps"] = padded("old_logps")
    if values["beta"] == 0:
        inputs.pop("ref_per_token_logps", None)
    loss = it._compute_loss(it.model, inputs)
    (gradient,) = torch.autograd.grad(loss, leaf)
    coefficients = [(-gradient[i, :n]).tolist() for i, n in enumerate(lengths)]
    advantages = inputs["advantages"].tolist()
    return loss.item(), metrics_of(it), coefficients, advantages


def two_words(rows, prompt):
    """Logits over two tokens behind a prompt such that token 0 has the given log-probabilities, the leaf of those, and
    the ids, masks and labels of a batch."""
    lengths = [len(c["logps"]) for c in rows]
    leaf = torch.full((len(rows), max(lengths)), -1.0, dtype=torch.float64)
    labels = torch.full((len(rows), prompt + max(lengths)), -100)
    for i, c in enumerate(rows):
        leaf[i, : lengths[i]] = torch.tensor(c["logps"], dtype=torch.float64)
        labels[i, prompt : prompt + lengths[i]] = 0
    leaf.requires_grad_(True)
    words = torch.stack([leaf, torch.log(-torch.expm1(leaf))], -1)
    filler = torch.zeros(len(rows), 1, 2, dtype=torch.float64)
    logits = torch.cat([filler] * (prompt - 1) + [words, filler], 1)
    attention = (labels == 0).long()
    attention[:, :prompt] = 1
    return logits, leaf, {"concatenated_input_ids": torch.zeros_like(labels), "concatenated_labels": labels,
                          "concatenated_attention_mask": attention}


def without_reference(trainer, candidates, prompt, attributes):
    it = stub(trainer, is_encoder_decoder=False, pad_token_id=0, padding_value=0, **attributes)
    order = pair_order(candidates)
    rows = [candidates[i] for i in order]
    logits, leaf, inputs = two_words(rows, prompt)
    it.concatenated_inputs = lambda *_, **__: inputs
    it.model.outputs[inputs["concatenated_input_ids"].data_ptr()] = types.SimpleNamespace(logits=logits)
    it.model.forward = lambda input_ids, **_: it.model.outputs[input_ids.data_ptr()]
    batch = {"chosen_labels": inputs["concatenated_labels"][: len(rows) // 2]}
    loss, metrics = it.get_batch_loss_metrics(it.model, batch)
    (gradient,) = torch.autograd.grad(loss, leaf)
    coefficients = [None] * len(rows)
    for row, index in enumerate(order):
        coefficients[index] = (-gradient[row, : len(rows[row]["logps"])]).tolist()
    return loss.item(), metrics, coefficients


def cpo(candidates, loss_type="sigmoid", **options):
    values = dict(beta=0.1, label_smoothing=0.0, cpo_alpha=1.0, simpo_gamma=0.5, alpha=0.0)
    values.update(options)
    return without_reference(CPOTrainer, candidates, PROMPT, dict(loss_type=loss_type, **values))


def orpo(candidates, beta=0.1):
    """Behind a prompt of one token, of which TRL's likelihood part has nothing."""
    return without_reference(ORPOTrainer, candidates, 1, dict(beta=beta))


def rloo(candidates, advantages, epsilon=0.2, epsilon_high=None):
    """The loss of TRL's _compute_loss with these advantages; its sums over tokens are those of padded rows."""
    it = stub(RLOOTrainer, epsilon_low=epsilon, epsilon_high=epsilon if epsilon_high is None else epsilon_high, aux_loss_enabled=False)
    it.model.train()
    lengths = [len(c["logps"]) for c in candidates]
    width = max(lengths)
    leaf = torch.zeros(len(candidates), width, dtype=torch.float64)
    mask = torch.zeros(len(candidates), width, dtype=torch.long)
    for i, c in enumerate(candidates):
        leaf[i, : lengths[i]] = torch.tensor(c["logps"], dtype=torch.float64)
        mask[i, : lengths[i]] = 1
    leaf.requires_grad_(True)
    it._get_per_token_logps_and_entropies = lambda *_, **__: (leaf, torch.zeros_like(leaf), None)
    loss = it._compute_loss(it.model, {
        "prompt_ids": torch.ones_like(mask), "prompt_mask": torch.ones_like(mask), "completion_ids": torch.ones_like(mask),
        "completion_mask": mask, "advantages": torch.tensor(advantages, dtype=torch.float64),
        "old_logps": torch.tensor([sum(c["old_logps"]) for c in candidates], dtype=torch.float64)})
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.item(), metrics_of(it), [(-gradient[i, :n]).tolist() for i, n in enumerate(lengths)]
