// What a recipe's `method` says: one method, or a list of {name, weight, data, …} that makes a weighted sum.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/config/value.h"
#include "data/options.h"
#include "data/row_use.h"
#include "data/summary.h"
#include "training/options.h"

namespace attune::training {

/// One entry of the recipe's method list, before its data is opened.
struct TermSetting {
  std::string name;
  std::unique_ptr<algorithm::Method> method;
  double weight = 1;
  data::DataOptions data;
  data::RowUse use = data::RowUse::anything();  ///< what its rows are read for
  core::Json resolved;                          ///< every option of the entry, as the saved recipe states it
};

/// @throws Error{kRequest}: an unknown method or option, an empty list
std::vector<TermSetting> terms_of(const TrainRecipe& recipe);

/// What is wrong with a recipe's data and methods, all of it: each is looked at whatever is wrong with the others. What
/// cannot be taken goes out of the recipe, so that what remains can be looked at further; a loss or data of which
/// nothing is left becomes null.
struct TermFaults {
  std::vector<std::string> of_data, of_methods;
};
TermFaults take_faults_out(TrainRecipe& recipe);

/// What the methods say of metrics that they alone log, under the names that metrics.jsonl has for them.
std::vector<record::MetricMeaning> own_metrics(const std::vector<TermSetting>& terms);

/// The recipe's data setting, read. Data that is named elsewhere in a recipe (held-out data, data of one
/// method) is read in the same way as the main data (columns, format, lengths …) unless it says otherwise.
/// @param key what the setting is called in messages, e.g. "eval.data"
data::DataOptions data_options(const core::Value& setting, const std::string& key);
data::DataOptions held_out_options(const TrainRecipe& recipe);

/// What rows are read for by a method. @param pairing one that makes its shape; null: the default
data::RowUse row_use(const algorithm::Method& method, std::shared_ptr<record::Pairing> pairing = nullptr);

/// Who learns from rows, for messages about them.
struct Learner {
  std::string method, model;  ///< the model's folder
};

/// @throws Error{kRequest} when no row of the data can be used, or what is trained on teaches nothing; says why
void require_rows(const data::DataOptions& options, const data::DatasetSummary& summary,
                  const data::RowUse& use, const Learner& learner);

/// What to say of data in which nothing differs that the method tells apart (all labels are good); "" where it does.
std::string one_sided_text(const data::DatasetSummary& summary, const data::RowUse& use);

}  // namespace attune::training
