#include "generation/session/chain.h"

namespace attune::generation {

DecodingChain::DecodingChain(const SamplingOptions& options, Lanes& lanes, bool has_tokenizer)
    : options_(options), ends_(lanes.policy().end_ids()), streams_{0} {
  options_.check(has_tokenizer, lanes.policy().config().vocab_size);
  for (auto& technique : make_decoding(options_)) {
    Link link{std::move(technique), streams_.size(), 0};
    for (const LaneRequest& request : link.technique->lanes()) {
      streams_.push_back(lanes.find_or_load(request));
      ++link.streams;
    }
    links_.push_back(std::move(link));
  }
}

std::vector<std::int32_t> DecodingChain::prompt_of(std::size_t stream,
                                                   std::span<const std::int32_t> prompt) const {
  for (const Link& link : links_) {
    if (stream < link.first_stream || stream - link.first_stream >= link.streams) continue;
    return link.technique->lane_prompt(stream - link.first_stream, prompt);
  }
  return {prompt.begin(), prompt.end()};
}

SampleChain::SampleChain(const DecodingChain& chain, std::span<const std::int32_t> prompt)
    : chain_(&chain), prompt_(prompt) {
  for (const DecodingChain::Link& link : chain.links_) techniques_.push_back(link.technique->begin(prompt));
}

std::span<const float> SampleChain::apply(std::span<const std::span<const float>> streams,
                                          std::span<const std::int32_t> completion,
                                          std::vector<float>& scratch) {
  scratch.assign(streams[0].begin(), streams[0].end());
  std::vector<std::span<const float>> lanes;
  for (std::size_t i = 0; i < techniques_.size(); ++i) {
    const DecodingChain::Link& link = chain_->links_[i];
    const auto own = streams.subspan(link.first_stream, link.streams);
    lanes.assign(1, streams[0]);
    lanes.insert(lanes.end(), own.begin(), own.end());
    techniques_[i]->apply({lanes, prompt_, completion, chain_->ends_}, scratch);
  }
  return scratch;
}

}  // namespace attune::generation
