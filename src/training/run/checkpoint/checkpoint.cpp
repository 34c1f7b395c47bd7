#include "training/run/checkpoint/checkpoint.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/files/files.h"
#include "training/tensor_file.h"

namespace attune::training {
namespace {

constexpr const char* kStateFile = "training_state.json";
constexpr const char* kTensorFile = "optimizer.safetensors";
constexpr const char* kHookFile = "hooks.safetensors";

}  // namespace

void save_checkpoint(const std::string& folder, const model::Model& model, AdamW& optimizer,
                     const Hooks& hooks, const core::Json& state) {
  core::StagedFolder stage(folder);
  {
    const PublishedWeights published(hooks, optimizer);
    model.save_result(stage.path());
  }
  save_tensors(stage.path() + "/" + kTensorFile, optimizer.tensors());
  NamedTensors kept;
  for (const auto& hook : hooks) kept.merge(hook->tensors());
  if (!kept.empty()) save_tensors(stage.path() + "/" + kHookFile, kept);
  core::write_file_atomically(stage.path() + "/" + kStateFile, state.dump(1) + "\n");
  stage.publish();
}

core::Json load_checkpoint(const std::string& folder, AdamW& optimizer, const Hooks& hooks) {
  const std::string state_file = folder + "/" + kStateFile, tensor_file = folder + "/" + kTensorFile,
                    hook_file = folder + "/" + kHookFile;
  core::Json state = core::read_json_file(state_file);
  if (!state.is_object() || !state.contains("optimizer_steps"))
    core::fail_request("{}: not the state of a training run", state_file);
  optimizer.restore(load_tensors(tensor_file), state["optimizer_steps"].get<std::int64_t>(), tensor_file);
  const auto kept = core::fs::exists(hook_file) ? load_tensors(hook_file) : NamedTensors{};
  for (const auto& hook : hooks) hook->restore(kept, optimizer, hook_file);
  return state;
}

}  // namespace attune::training
