#include "generation/session.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace attune::generation {
namespace {

/// Numbers of logits computed at once: rows beyond wait, so that no [B, V] tensor grows with the batch.
constexpr std::int64_t kLogitsAtOnce = std::int64_t{1} << 24;

std::int64_t in_whole_blocks(std::int64_t tokens) {
  return (tokens + model::kBlockTokens - 1) / model::kBlockTokens * model::kBlockTokens;
}

/// Multiply-adds for which another thread pays: waking one costs some tens of microseconds, and far more on a
/// busy machine.
constexpr std::int64_t kWorkPerThread = std::int64_t{1} << 22;

/// Lets libtorch use only as many threads as a step's work deserves. Depends on counts alone, so runs repeat.
class ThreadLimit {
 public:
  ThreadLimit() : all_(at::get_num_threads()) {}
  ~ThreadLimit() { set(all_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;
  void for_any_work() { set(all_); }
  void for_work(std::int64_t work) {
    set(static_cast<int>(std::clamp<std::int64_t>(work / kWorkPerThread, 1, all_)));
  }

 private:
  static void set(int threads) {
    if (threads != at::get_num_threads()) at::set_num_threads(threads);
  }
  int all_;
};

void add_distinct(std::vector<std::int32_t>& seen, std::int32_t token) {
  const auto at = std::lower_bound(seen.begin(), seen.end(), token);
  if (at == seen.end() || *at != token) seen.insert(at, token);
}

}  // namespace

Session::Session(const SessionInput& input) : in_(input) {
  const auto samples = static_cast<std::size_t>(in_.options.n);
  results_.assign(in_.prompts.size(), std::vector<Sample>(samples));
  prompts_.resize(in_.prompts.size());
  for (std::size_t i = 0; i < prompts_.size(); ++i) prompts_[i].unfinished = in_.options.n;
}

std::vector<std::vector<Sample>> Session::run() {
  ThreadLimit threads;
  while (true) {
    // Reading prompts is work enough for all threads.
    if (next_prompt_ < in_.prompts.size()) threads.for_any_work();
    if (!admit()) break;
    threads.for_work(static_cast<std::int64_t>(active_.size()) * in_.decoder.work_per_row());
    draw();
    retire();
    advance();
    if (in_.on_progress) in_.on_progress(produced_);
  }
  return std::move(results_);
}

std::int64_t Session::completion_limit(const Prompt& prompt) const {
  if (in_.config.max_positions <= 0) return in_.options.max_new_tokens;
  // The last token drawn is not fed back, so it may stand one position behind the context.
  const std::int64_t room = in_.config.max_positions - static_cast<std::int64_t>(prompt.ids.size()) + 1;
  return std::min(in_.options.max_new_tokens, room);
}

/// Admits what fits. False when nothing is active any more.
bool Session::admit() {
  const std::size_t before = active_.size();
  std::vector<std::size_t> new_prompts;
  while (next_prompt_ < in_.prompts.size()) {
    const Prompt& prompt = in_.prompts[next_prompt_];
    PromptState& state = prompts_[next_prompt_];
    const std::int64_t limit = completion_limit(prompt);
    const std::int64_t own = in_whole_blocks(limit);
    const std::int64_t shared =
        next_sample_ == 0 ? in_whole_blocks(static_cast<std::int64_t>(prompt.ids.size())) : 0;
    if (!active_.empty() && used_ + own + shared > in_.budget) break;
    used_ += own + shared;
    if (next_sample_ == 0) {
      state.reserved = shared;
      new_prompts.push_back(next_prompt_);
    }
    Active active;
    active.prompt = next_prompt_;
    active.sample = next_sample_;
    active.limit = limit;
    active.reserved = own;
    active_.push_back(std::move(active));
    if (++next_sample_ == static_cast<std::size_t>(in_.options.n)) {
      next_sample_ = 0;
      ++next_prompt_;
    }
  }
  read_new_prompts(new_prompts);
  for (std::size_t i = before; i < active_.size(); ++i) start(active_[i]);
  return !active_.empty();
}

void Session::read_new_prompts(std::span<const std::size_t> prompts) {
  if (prompts.empty()) return;
  std::vector<core::TokenSequence> sequences;
  for (const std::size_t p : prompts) {
    const auto& ids = in_.prompts[p].ids;
    sequences.push_back({ids, 0, in_.config.table_of(static_cast<std::int64_t>(ids.size()))});
  }
  std::vector<model::ReadPrompt> read = in_.decoder.read_prompts(core::build_forest(sequences));
  for (std::size_t i = 0; i < prompts.size(); ++i) prompts_[prompts[i]].read = std::move(read[i]);
}

void Session::start(Active& active) {
  const model::ReadPrompt& read = *prompts_[active.prompt].read;
  active.cache.emplace(in_.decoder.shape(), read);
  if (in_.tokenizer && (!in_.options.stop.empty() || in_.on_text)) {
    active.text.emplace(*in_.tokenizer, in_.options.stop);
  }
  if (in_.options.repetition_penalty != 1) {
    active.seen = in_.prompts[active.prompt].ids;
    std::sort(active.seen.begin(), active.seen.end());
    active.seen.erase(std::unique(active.seen.begin(), active.seen.end()), active.seen.end());
  }
  hidden_.push_back(read.hidden.unsqueeze(0));
}

/// Draws a token for every active sample.
void Session::draw() {
  const c10::InferenceMode no_gradients;
  const at::Tensor hidden = hidden_.size() == 1 ? hidden_[0] : at::cat(hidden_);
  hidden_.clear();
  const std::int64_t vocabulary = in_.config.vocab_size;
  const std::int64_t rows = std::max<std::int64_t>(1, kLogitsAtOnce / vocabulary);
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += rows) {
    const std::int64_t count = std::min(rows, hidden.size(0) - begin);
    const at::Tensor logits = in_.decoder.logits(hidden.narrow(0, begin, count)).contiguous();
    const at::Tensor normalizers = at::logsumexp(logits, 1).contiguous();
    const auto* values = logits.const_data_ptr<float>();
    const auto width = static_cast<std::size_t>(logits.size(1));
    for (std::int64_t r = 0; r < count; ++r) {
      draw_row(active_[static_cast<std::size_t>(begin + r)],
               {values + static_cast<std::size_t>(r) * width, width},
               static_cast<double>(normalizers.const_data_ptr<float>()[r]));
    }
  }
}

void Session::draw_row(Active& active, std::span<const float> logits, double normalizer) {
  Sample& sample = sample_of(active);
  const std::uint64_t record = in_.prompts[active.prompt].record;
  if (!std::isfinite(normalizer)) {
    core::fail_run(
        "the model's logits are not numbers at token {} after the prompt of record {}: are the weights "
        "broken, or "
        "did training diverge?",
        sample.ids.size(), record);
  }
  std::span<const float> processed = logits;
  if (in_.options.repetition_penalty != 1) {
    scratch_.assign(logits.begin(), logits.end());
    penalize_repetition(scratch_, active.seen, in_.options.repetition_penalty);
    processed = scratch_;
  }
  const Filters filters{in_.options.temperature, in_.options.top_k, in_.options.top_p, in_.options.min_p};
  const double uniform =
      core::uniform({in_.seed, core::Purpose::kSampling, in_.step, record, active.sample, sample.ids.size()});
  const std::int32_t token = choose(processed, filters, uniform);
  sample.logps.push_back(static_cast<double>(logits[static_cast<std::size_t>(token)]) - normalizer);
  take_token(active, token);
}

void Session::take_token(Active& active, std::int32_t token) {
  Sample& sample = sample_of(active);
  sample.ids.push_back(token);
  ++produced_;
  if (in_.options.repetition_penalty != 1) add_distinct(active.seen, token);
  const bool stopped = active.text && active.text->push(token);
  const bool ended = std::find(in_.eos_ids.begin(), in_.eos_ids.end(), token) != in_.eos_ids.end();
  if (stopped || ended) {
    finish(active, "stop");
  } else if (static_cast<std::int64_t>(sample.ids.size()) >= active.limit) {
    finish(active, "length");
  }
  if (active.text && in_.on_text) {
    const std::string_view piece = active.text->take_new();
    if (!piece.empty()) in_.on_text(active.prompt, active.sample, piece);
  }
}

void Session::finish(Active& active, const char* reason) {
  Sample& sample = sample_of(active);
  active.done = true;
  sample.finish_reason = reason;
  if (active.text) {
    if (active.text->finish()) sample.finish_reason = "stop";
    sample.text = active.text->text();
  } else if (in_.tokenizer) {
    sample.text = in_.tokenizer->decode(sample.ids, true);
  }
}

void Session::retire() {
  for (const Active& active : active_) {
    if (!active.done) continue;
    used_ -= active.reserved;
    PromptState& prompt = prompts_[active.prompt];
    if (--prompt.unfinished == 0) {
      used_ -= prompt.reserved;
      prompt.read.reset();
    }
  }
  std::erase_if(active_, [](const Active& active) { return active.done; });
}

/// Computes the drawn tokens of all active samples.
void Session::advance() {
  if (active_.empty()) return;
  std::vector<model::DecodeRow> rows;
  rows.reserve(active_.size());
  for (Active& active : active_) {
    const Sample& sample = sample_of(active);
    const std::size_t length = in_.prompts[active.prompt].ids.size() + sample.ids.size();
    const auto position = static_cast<std::int32_t>(length) - 1;
    rows.push_back({sample.ids.back(), position, in_.config.table_of(static_cast<std::int64_t>(length)),
                    active.cache->extend(position)});
  }
  hidden_.push_back(in_.decoder.step(rows));
}

}  // namespace attune::generation
