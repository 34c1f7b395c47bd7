#include "generation/session/session.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "generation/sampling/sampler.h"
#include "generation/session/prompt_batch.h"

namespace attune::generation {
namespace {

/// Numbers of logits computed at once: rows beyond wait, so that no [B, V] tensor grows with the batch.
constexpr std::int64_t kLogitsAtOnce = std::int64_t{1} << 24;

std::int64_t in_whole_blocks(std::int64_t tokens) {
  return (tokens + model::kBlockTokens - 1) / model::kBlockTokens * model::kBlockTokens;
}

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  if (parts.empty()) return {};
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

Session::Session(const Lanes& lanes, const text::Tokenizer* tokenizer, std::int64_t budget)
    : lanes_(lanes), tokenizer_(tokenizer), budget_(budget) {}

RequestId Session::submit(Request request) {
  while (pools_.size() < lanes_.size()) pools_.emplace_back(lanes_[pools_.size()].decoder().shape());
  const DecodingChain& chain = *request.chain;
  Submission submission;
  submission.limit = room_within(chain.options(), request.prompt);
  for (std::size_t s = 0; s < chain.streams().size(); ++s) {
    StreamPrompt prompt{chain.prompt_of(s, request.prompt.ids)};
    const std::size_t lane = chain.streams()[s];
    const bool same = prompt.ids == request.prompt.ids;
    if (same && lane == 0) prompt.vectors = request.prompt.vectors.get();
    if (same && lane != 0 && request.prompt.vectors) {
      core::fail_request(
          "decoding: the prompt of record {} comes with vectors, which another model cannot read in its "
          "place",
          request.prompt.record);
    }
    const std::int64_t room =
        room_behind(prompt.ids, prompt.vectors, request.prompt.record, lanes_[lane].config());
    submission.limit = std::min(submission.limit, room);
    submission.prompts.push_back(std::move(prompt));
  }
  submission.unfinished = static_cast<std::size_t>(chain.options().n);
  submission.samples.resize(submission.unfinished);
  submission.request = std::move(request);
  const RequestId id = next_id_++;
  waiting_.push_back(&submissions_.emplace(id, std::move(submission)).first->second);
  return id;
}

const Session::Submission& Session::find(RequestId id) const {
  const auto at = submissions_.find(id);
  ATTUNE_ASSERT(at != submissions_.end());
  return at->second;
}

std::vector<Sample> Session::take(RequestId id) {
  ATTUNE_ASSERT(finished(id));
  std::vector<Sample> samples = std::move(submissions_.at(id).samples);
  submissions_.erase(id);
  return samples;
}

std::int64_t Session::blocks_in_use() const {
  std::int64_t blocks = 0;
  for (const model::KvPool& pool : pools_) blocks += pool.blocks_in_use();
  return blocks;
}

bool Session::step() {
  const c10::InferenceMode no_gradients;
  std::vector<Hidden> hidden(pools_.size());
  advance(hidden);
  admit(hidden);
  if (active_.empty()) return false;
  threads_.for_work(work_per_step());
  draw(hidden);
  retire();
  return true;
}

void Session::cancel(RequestId id) {
  const auto at = submissions_.find(id);
  ATTUNE_ASSERT(at != submissions_.end());
  Submission& submission = at->second;
  std::erase(waiting_, &submission);
  for (const Active& active : active_)
    if (active.submission == &submission) used_ -= active.reserved;
  std::erase_if(active_, [&](const Active& active) { return active.submission == &submission; });
  release(submission);
  submissions_.erase(at);
}

/// Frees what its prompts hold.
void Session::release(Submission& submission) {
  used_ -= submission.reserved;
  submission.reserved = 0;
  submission.read.clear();
}

std::int64_t Session::work_per_step() const {
  std::int64_t work = 0;
  for (const Active& active : active_)
    for (const std::size_t lane : active.streams()) work += lanes_[lane].decoder().work_per_row();
  return work;
}

/// Computes the tokens that were drawn last.
void Session::advance(std::vector<Hidden>& hidden) {
  std::vector<std::vector<model::DecodeRow>> rows(hidden.size());
  for (Active& active : active_) {
    const auto streams = active.streams();
    for (std::size_t s = 0; s < streams.size(); ++s) {
      model::KvSequence& cache = active.caches[s];
      const auto blocks = cache.extend();
      const std::int32_t table = lanes_[streams[s]].config().table_of(cache.size());
      rows[streams[s]].push_back({active.sample().ids.back(), cache.size() - 1, table, blocks});
    }
  }
  for (std::size_t lane = 0; lane < rows.size(); ++lane)
    if (!rows[lane].empty()) hidden[lane].push_back(lanes_[lane].decoder().step(rows[lane]));
}

/// Admits what fits; one sample always does.
void Session::admit(std::vector<Hidden>& hidden) {
  const std::size_t before = active_.size();
  std::vector<Submission*> begun;
  while (!waiting_.empty()) {
    Submission& submission = *waiting_.front();
    const bool is_new = submission.started == 0;
    std::int64_t shared = 0;
    if (is_new)
      for (const auto& prompt : submission.prompts)
        shared += in_whole_blocks(static_cast<std::int64_t>(prompt.ids.size()));
    const std::int64_t own =
        in_whole_blocks(submission.limit) * static_cast<std::int64_t>(submission.prompts.size());
    if (!active_.empty() && used_ + own + shared > budget_) break;
    used_ += own + shared;
    if (is_new) {
      submission.reserved = shared;
      begun.push_back(&submission);
    }
    active_.push_back({&submission, submission.started++, own,
                       SampleChain(*submission.request.chain, submission.request.prompt.ids)});
    if (submission.started == submission.samples.size()) waiting_.pop_front();
  }
  read_prompts(begun);
  for (std::size_t i = before; i < active_.size(); ++i) start(active_[i], hidden);
}

/// Reads the prompts of all streams, those of one lane together.
void Session::read_prompts(std::span<Submission* const> submissions) {
  if (submissions.empty()) return;
  threads_.for_any_work();
  std::vector<PromptBatch> batches(pools_.size());
  for (const Submission* submission : submissions) {
    const auto streams = submission->request.chain->streams();
    for (std::size_t s = 0; s < streams.size(); ++s)
      batches[streams[s]].add(lanes_[streams[s]], submission->prompts[s].ids, submission->prompts[s].vectors);
  }
  std::vector<std::vector<model::ReadPrompt>> read;
  for (std::size_t lane = 0; lane < batches.size(); ++lane)
    read.push_back(batches[lane].read(lanes_[lane], pools_[lane]));
  std::vector<std::size_t> next(read.size());
  for (Submission* submission : submissions)
    for (const std::size_t lane : submission->request.chain->streams())
      submission->read.push_back(std::move(read[lane][next[lane]++]));
}

void Session::start(Active& active, std::vector<Hidden>& hidden) {
  const Submission& submission = *active.submission;
  const auto streams = active.streams();
  for (std::size_t s = 0; s < streams.size(); ++s) {
    active.caches.push_back(submission.read[s].cache.fork());
    hidden[streams[s]].push_back(submission.read[s].hidden.unsqueeze(0));
  }
  if (tokenizer_ && (!submission.options().stop.empty() || submission.request.on_text))
    active.text.emplace(*tokenizer_, submission.options().stop);
}

/// Draws a token for every active sample.
void Session::draw(std::vector<Hidden>& hidden) {
  std::vector<at::Tensor> rows;
  for (const Hidden& parts : hidden) rows.push_back(joined(parts));
  std::size_t widest = 1;
  for (const Active& active : active_) widest = std::max(widest, active.streams().size());
  const std::int64_t vocabulary = lanes_.policy().config().vocab_size;
  const auto at_once = static_cast<std::size_t>(
      std::max<std::int64_t>(1, kLogitsAtOnce / vocabulary / static_cast<std::int64_t>(widest)));
  std::vector<std::int64_t> next(rows.size());  // first row of each lane that nothing was drawn from
  for (std::size_t begin = 0; begin < active_.size(); begin += at_once) {
    const auto some = std::span(active_).subspan(begin, std::min(at_once, active_.size() - begin));
    std::vector<std::int64_t> counts(rows.size());
    for (const Active& active : some)
      for (const std::size_t lane : active.streams()) ++counts[lane];
    std::vector<at::Tensor> logits(rows.size());
    for (std::size_t lane = 0; lane < rows.size(); ++lane) {
      if (counts[lane] == 0) continue;
      logits[lane] =
          lanes_[lane].decoder().logits(rows[lane].narrow(0, next[lane], counts[lane])).contiguous();
      next[lane] += counts[lane];
    }
    draw_some(some, logits);
  }
}

/// @param logits of each lane: rows in order of (sample, stream)
void Session::draw_some(std::span<Active> some, std::span<const at::Tensor> logits) {
  const at::Tensor normalizers = at::logsumexp(logits[0], 1).contiguous();
  std::vector<std::size_t> row(logits.size());
  std::vector<std::span<const float>> streams;
  for (Active& active : some) {
    const double normalizer = static_cast<double>(normalizers.const_data_ptr<float>()[row[0]]);
    streams.clear();
    for (const std::size_t lane : active.streams()) {
      const auto width = static_cast<std::size_t>(logits[lane].size(1));
      streams.push_back({logits[lane].const_data_ptr<float>() + row[lane]++ * width, width});
    }
    draw_one(active, streams, normalizer);
  }
}

void Session::draw_one(Active& active, std::span<const std::span<const float>> streams, double normalizer) {
  Sample& sample = active.sample();
  const Request& request = active.submission->request;
  const std::uint64_t record = request.prompt.record;
  if (!std::isfinite(normalizer)) {
    core::fail_run(
        "the model's logits are not numbers at token {} after the prompt of record {}: are the weights or "
        "the numbers of its config.json broken, or did training diverge?",
        sample.ids.size(), record);
  }
  const auto choices = distribution(active.chain.apply(streams, sample.ids, scratch_));
  if (choices.empty()) {
    core::fail_run("decoding left no token to draw at token {} after the prompt of record {}",
                   sample.ids.size(), record);
  }
  const double uniform = core::uniform(
      {request.seed, core::Purpose::kSampling, request.step, record, active.index, sample.ids.size()});
  const std::int32_t token = choose(choices, uniform);
  sample.logps.push_back(static_cast<double>(streams[0][static_cast<std::size_t>(token)]) - normalizer);
  take_token(active, token);
}

void Session::take_token(Active& active, std::int32_t token) {
  Sample& sample = active.sample();
  const Submission& submission = *active.submission;
  sample.ids.push_back(token);
  ++produced_;
  const auto& ends = lanes_.policy().end_ids();
  const bool stopped = active.text && active.text->push(token);
  const bool ended = std::find(ends.begin(), ends.end(), token) != ends.end();
  if (stopped || ended) {
    finish(active, "stop");
  } else if (static_cast<std::int64_t>(sample.ids.size()) >= submission.limit) {
    finish(active, "length");
  }
  if (active.text && submission.request.on_text) {
    const std::string_view piece = active.text->take_new();
    if (!piece.empty()) submission.request.on_text(active.index, piece);
  }
}

void Session::finish(Active& active, const char* reason) {
  Sample& sample = active.sample();
  active.done = true;
  sample.finish_reason = reason;
  if (active.text) {
    if (active.text->finish()) sample.finish_reason = "stop";
    sample.text = active.text->text();
  } else if (tokenizer_) {
    sample.text = tokenizer_->decode(sample.ids, true);
  }
}

void Session::retire() {
  for (const Active& active : active_) {
    if (!active.done) continue;
    used_ -= active.reserved;
    if (--active.submission->unfinished == 0) release(*active.submission);
  }
  std::erase_if(active_, [](const Active& active) { return active.done; });
}

}  // namespace attune::generation
