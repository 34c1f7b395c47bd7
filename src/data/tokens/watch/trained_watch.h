// What of a row is trained on, or read otherwise than it is written, though nobody may have meant it.
#pragma once

#include <string>

#include "data/noticed.h"
#include "data/options.h"
#include "data/tokens/codec.h"
#include "record/example.h"

namespace attune::data {

/// Turns of others in completions, messages that ask not to be learned, end tokens that stand twice.
void notice_trained(const record::Example& example, const TextCodec& codec, const DataOptions& options,
                    const std::string& where, Noticed& noticed);

}  // namespace attune::data
