// Decoding techniques: what shapes the distribution that a token is drawn from. One file each in
// generation/decoding/. Techniques compose: each takes what those before it left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"
#include "generation/lane.h"
#include "generation/sampling/sampling_options.h"

namespace attune::generation {

/// What a technique sees of a sample before its next token is drawn.
struct DecodingView {
  /// The models' logits of the next token, [V] each, as computed: lanes[0] is the policy, then what
  /// Decoding::lanes() asks for, in that order.
  std::span<const std::span<const float>> lanes;
  std::span<const std::int32_t> prompt, completion;  ///< ids; the completion as far as it was drawn
  std::span<const std::int32_t> ends{};              ///< ids that end a completion
};

/// A technique at work on one sample. What it remembers between tokens lives here.
class SampleDecoding {
 public:
  virtual ~SampleDecoding() = default;
  /// Called once before each token of the sample is drawn.
  /// @param logits [V] in: what the techniques before left, the policy's logits at first. Out: the token is
  /// drawn from softmax(logits), -inf never. One finite entry is a choice.
  virtual void apply(const DecodingView& view, std::span<float> logits) = 0;
};

struct DecodingInfo {
  std::string name, summary, paper, formula;  ///< paper: "" when there is none
};

class Decoding {
 public:
  virtual ~Decoding() = default;
  virtual DecodingInfo info() const = 0;
  virtual core::Fields fields() = 0;
  /// Called before options are assigned: for techniques that have defaults among the request's settings.
  virtual void take_settings(const SamplingOptions&) {}
  /// The place among the filters of one that the request's settings ask for without its name: ascending, below
  /// 0 between temperature and top-k, else after all of `sample`. Nothing: they do not ask for it.
  virtual std::optional<int> asked_place(const SamplingOptions&) const { return std::nullopt; }
  virtual void check() const {}
  /// The models it reads beside the policy; each costs a forward pass a token.
  virtual std::vector<LaneRequest> lanes() const { return {}; }
  /// What lanes()[lane] reads in the place of the prompt; the completion is the same for all.
  virtual std::vector<std::int32_t> lane_prompt(std::size_t lane, std::span<const std::int32_t> prompt) const;
  /// @return may refer to this object, which outlives it
  virtual std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t> prompt) const = 0;
};

/// Generated list: file name → factory.
const std::vector<std::pair<std::string_view, std::unique_ptr<Decoding> (*)()>>& decoding_entries();

/// The techniques of options.decoding in order: a name, a map {name, options…}, or a list of those; null:
/// none. After them comes `sample` with the settings of the options, unless the list says itself where it
/// stands, and the filters that the options ask for and the list does not name, in transformers' order.
/// @throws Error{kRequest}
std::vector<std::unique_ptr<Decoding>> make_decoding(const SamplingOptions& options,
                                                     const std::string& key = "decoding");

}  // namespace attune::generation
