// safetensors files: the header, and every tensor that it describes.
#include "model/files/safetensors.h"

#include <ATen/ATen.h>

#include "tests/fuzz/input.h"

namespace attune::fuzz {
namespace {

/// What of the file is read must lie in it: every byte is touched.
unsigned sum_of(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
  return sum;
}

void run(std::string_view input) {
  const model::SafetensorsFile file(scratch_folder().write("model.safetensors", input));
  volatile unsigned touched = 0;
  std::size_t total = 0;
  for (const auto& tensor : file.tensors()) {
    touched = touched + sum_of(tensor.bytes);
    total += tensor.bytes.size();
    accepts([&] {
      const at::Tensor loaded = tensor.load(at::kFloat);
      expect(loaded.sizes() == at::IntArrayRef(tensor.shape),
             "a tensor has another shape than its header says");
    });
  }
  expect(total <= input.size(), "the tensors hold more than the file");
  const model::WeightFiles weights(scratch_folder().path(), "model.safetensors");
  for (const auto& name : weights.names()) expect(weights.find(name) != nullptr, "a name leads to no tensor");
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  return 0;
}
