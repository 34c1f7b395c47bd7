#include "training/run/checkpoint/continuation.h"

#include "core/error.h"
#include "core/files/files.h"

namespace attune::training {

Continuation::Continuation(const RunFolder& folder, bool accepts)
    : folder_(folder.path()), before_(core::Json::object()), accepts_(accepts) {
  if (!folder.checkpoint()) return;
  checkpoint_ = core::fs::path(*folder.checkpoint()).filename().string();
  before_ = folder.info();
  told_ = before_.value("data_changes", core::Json());
}

void Continuation::compare_files(const DataFiles& files) {
  if (!before_.contains("data_files")) return;
  const std::string change = files.difference(before_["data_files"], folder_);
  if (!change.empty()) take(change);
}

void Continuation::compare_tokens(const core::Json& data) {
  if (data_changed() || !before_.contains("data")) return;
  const core::Json& then = before_["data"];
  for (std::size_t i = 0; i < data.size(); ++i)
    if (i >= then.size() || then[i].value("fingerprint", "") != data[i].value("fingerprint", ""))
      return take(
          "data: the files are the same and read otherwise: the tokenizer, the chat template or the program "
          "changed");
}

void Continuation::compare_model(const std::string& path, const std::string& fingerprint) const {
  const std::string then = before_.value("model_fingerprint", "");
  if (!then.empty() && then != fingerprint)
    core::fail_request(
        "model: {} is not what it was when the run in {} began. Put it back, or start anew with "
        "overwrite=true",
        path, folder_);
}

void Continuation::take(const std::string& change) {
  if (!accepts_)
    core::fail_request(
        "{}\nThe run in {} began with other data. Put it back, start anew with overwrite=true, or go on with "
        "the data as it is now: resume.data=changed",
        change, folder_);
  change_ = change;
  if (told_.is_null()) told_ = core::Json::array();
  told_.push_back({{"checkpoint", checkpoint_},
                   {"change", change},
                   {"data_files", before_.value("data_files", core::Json::array())},
                   {"data", before_.value("data", core::Json::array())}});
}

}  // namespace attune::training
