// Sampling prompt by prompt: requests are submitted, stepped and cancelled one by one, and computed together
// (continuous batching over a budget of KV cache).
//
//   Session session(lanes, tokenizer, budget);
//   const RequestId id = session.submit({prompt, chain, seed});
//   while (session.step()) {}
//   std::vector<Sample> samples = session.take(id);
//
// Samples wait in order of (request, sample). A step computes the tokens drawn last, admits waiting samples
// while their reservation fits the budget, reads the new prompts (shared prefixes once), draws a token for
// every active sample and retires finished ones. Admission looks at token counts only, so a run repeats
// exactly; random numbers are keyed by (seed, step, record, sample, token), so what a request draws does not
// depend on the requests beside it beyond rounding.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "generation/lane.h"
#include "generation/sample.h"
#include "generation/session/chain.h"
#include "generation/session/completion_text.h"
#include "generation/session/thread_limit.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::generation {

using RequestId = std::size_t;  ///< 0, 1, 2 … in order of submission

/// Called with new text of a sample as it is produced. Must not call the session.
using OnSampleText = std::function<void(std::size_t sample, std::string_view text)>;

struct Request {
  Prompt prompt;
  std::shared_ptr<const DecodingChain> chain;  ///< made with the session's lanes
  std::uint64_t seed = 0, step = 0;
  OnSampleText on_text{};
};

class Session {
 public:
  /// @param lanes outlive the session
  /// @param tokenizer outlives it as well; null: texts stay empty
  /// @param budget tokens of KV cache; a single sample may exceed it alone
  Session(const Lanes& lanes, const text::Tokenizer* tokenizer, std::int64_t budget);

  /// Queues a prompt; no work is done. @throws Error{kRequest} for a prompt without tokens, with ids outside
  /// the vocabulary or vectors that are not the model's, or one that leaves no room in a model's context
  RequestId submit(Request request);
  /// One token for every active sample. False, and nothing done, when no request is left to work on.
  /// @throws Error{kRun} when logits are not numbers; the session is of no more use then
  bool step();
  /// Ends a request wherever it stands and frees its blocks; what it has drawn is forgotten.
  void cancel(RequestId id);
  bool finished(RequestId id) const { return find(id).unfinished == 0; }
  /// The samples as far as they have been drawn.
  std::span<const Sample> samples(RequestId id) const { return find(id).samples; }
  /// The samples of a finished request, which is then forgotten.
  std::vector<Sample> take(RequestId id);

  std::int64_t used_tokens() const { return used_; }   ///< of the budget, reservations of active samples
  std::int64_t blocks_in_use() const;                  ///< of KV cache, over all lanes
  std::int64_t produced() const { return produced_; }  ///< tokens drawn so far

 private:
  struct StreamPrompt {
    std::vector<std::int32_t> ids;
    const PromptVectors* vectors = nullptr;  ///< of the request, where the stream reads them
  };
  struct Submission {
    Request request;
    std::vector<StreamPrompt> prompts;    ///< of its streams
    std::vector<model::ReadPrompt> read;  ///< of its streams, while samples need it
    std::vector<Sample> samples;
    std::int64_t limit = 0;     ///< longest completion
    std::int64_t reserved = 0;  ///< tokens of the budget that its prompts hold
    std::size_t started = 0, unfinished = 0;
    const SamplingOptions& options() const { return request.chain->options(); }
  };
  struct Active {
    Submission* submission;
    std::size_t index;      ///< among the submission's samples
    std::int64_t reserved;  ///< tokens of the budget
    SampleChain chain;
    std::vector<model::KvSequence> caches{};  ///< of the streams
    std::optional<CompletionText> text{};     ///< only when stop texts or streaming ask for it
    bool done = false;
    Sample& sample() const { return submission->samples[index]; }
    std::span<const std::size_t> streams() const { return submission->request.chain->streams(); }
  };
  /// Hidden states of one lane: rows, in order of (active sample, stream), in parts that are joined on use.
  using Hidden = std::vector<at::Tensor>;

  const Submission& find(RequestId id) const;
  void advance(std::vector<Hidden>& hidden);
  void admit(std::vector<Hidden>& hidden);
  void read_prompts(std::span<Submission* const> submissions);
  void start(Active& active, std::vector<Hidden>& hidden);
  void draw(std::vector<Hidden>& hidden);
  void draw_some(std::span<Active> some, std::span<const at::Tensor> logits);
  void draw_one(Active& active, std::span<const std::span<const float>> streams, double normalizer);
  void take_token(Active& active, std::int32_t token);
  void finish(Active& active, const char* reason);
  void retire();
  void release(Submission& submission);
  std::int64_t work_per_step() const;

  const Lanes& lanes_;
  const text::Tokenizer* tokenizer_;
  std::int64_t budget_;
  std::deque<model::KvPool> pools_;  ///< of the lanes
  std::map<RequestId, Submission> submissions_;
  std::deque<Submission*> waiting_;  ///< those with samples that were not admitted yet
  std::vector<Active> active_;
  RequestId next_id_ = 0;
  std::int64_t used_ = 0, produced_ = 0;
  std::vector<float> scratch_;
  ThreadLimit threads_;
};

}  // namespace attune::generation
