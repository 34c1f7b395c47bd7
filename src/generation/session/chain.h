// The settings of requests made ready: techniques in order, and the streams of tokens that they read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "generation/decoding.h"
#include "generation/lane.h"
#include "generation/sampling/sampling_options.h"

namespace attune::generation {

/// Made once, then shared by all requests of equal settings.
///
/// A *stream* is one lane reading one prompt and the completion. Stream 0 is the policy with the request's
/// own prompt; then follow, technique by technique, those that Decoding::lanes() asks for.
class DecodingChain {
 public:
  /// Loads the models that techniques ask for. @throws Error{kRequest}
  DecodingChain(const SamplingOptions& options, Lanes& lanes, bool has_tokenizer);

  const SamplingOptions& options() const { return options_; }
  /// Lane of each stream.
  std::span<const std::size_t> streams() const { return streams_; }
  /// What a stream reads before the completion.
  std::vector<std::int32_t> prompt_of(std::size_t stream, std::span<const std::int32_t> prompt) const;

 private:
  friend class SampleChain;
  struct Link {
    std::unique_ptr<Decoding> technique;
    std::size_t first_stream = 0, streams = 0;  ///< its own, [first_stream, first_stream + streams)
  };

  SamplingOptions options_;
  std::vector<std::int32_t> ends_;  ///< ids that end a completion
  std::vector<Link> links_;
  std::vector<std::size_t> streams_;
};

/// The techniques at work on one sample.
class SampleChain {
 public:
  /// @param chain, prompt outlive it
  SampleChain(const DecodingChain& chain, std::span<const std::int32_t> prompt);

  /// @param streams [V] each: the logits of every stream, in order
  /// @return logits [V] from whose softmax the next token is drawn; valid until the next call of any chain
  /// with the same scratch
  std::span<const float> apply(std::span<const std::span<const float>> streams,
                               std::span<const std::int32_t> completion, std::vector<float>& scratch);

 private:
  const DecodingChain* chain_;
  std::span<const std::int32_t> prompt_;
  std::vector<std::unique_ptr<SampleDecoding>> techniques_;
};

}  // namespace attune::generation
