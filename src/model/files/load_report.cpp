#include "model/files/load_report.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"

namespace attune::model {
namespace {

std::string unread_text(const std::string& where, const std::vector<std::string>& heads) {
  return fmt::format("{}: {} left out: a head beside the model's own, which nothing reads here", where,
                     fmt::join(heads, ", "));
}

/// The warnings with the files' full names in them.
std::vector<std::string> warnings_in_full(LoadReport report) {
  for (std::string* where : {&report.where, &report.adapter_where}) {
    std::error_code error;
    const auto full = core::fs::weakly_canonical(*where, error);
    if (!where->empty() && !error) *where = full.string();
  }
  return report.warnings();
}

}  // namespace

std::vector<std::string> LoadReport::warnings() const {
  constexpr std::size_t kNamed = 6;
  std::vector<std::string> texts;
  if (!unused.empty()) {
    const std::vector<std::string> first(
        unused.begin(), unused.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, unused.size())));
    texts.push_back(fmt::format(
        "{}: {} left out, as config.json does not ask for them: {}{}. If they belong to the model, "
        "config.json is another one's, and every number is",
        where, core::counted(static_cast<std::int64_t>(unused.size()), "tensor"), fmt::join(first, ", "),
        unused.size() > kNamed ? fmt::format(" and {} more", unused.size() - kNamed) : ""));
  }
  if (!unread_heads.empty()) texts.push_back(unread_text(where, unread_heads));
  if (!unread_adapter_heads.empty()) texts.push_back(unread_text(adapter_where, unread_adapter_heads));
  if (!tied_head.empty())
    texts.push_back(
        fmt::format("{}: {} is missing although config.json unties it (tie_word_embeddings): the embedding "
                    "is used in its place. If the model had a head of its own, it is lost here",
                    where, tied_head));
  if (!untied_head.empty())
    texts.push_back(
        fmt::format("{}: {} differs from the embedding although config.json ties them (tie_word_embeddings): "
                    "both are used as they are in the file",
                    where, untied_head));
  return texts;
}

std::vector<std::string> LoadReport::warnings_besides(std::span<const LoadReport> said) const {
  std::set<std::string> known;
  for (const LoadReport& other : said)
    for (std::string& text : warnings_in_full(other)) known.insert(std::move(text));
  const std::vector<std::string> own = warnings(), in_full = warnings_in_full(*this);
  std::vector<std::string> news;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (!known.contains(in_full[i])) news.push_back(own[i]);
  return news;
}

core::Json to_json(const LoadReport& report) {
  return {{"where", report.where},
          {"tensors", report.tensors},
          {"unused", report.unused},
          {"unread_heads", report.unread_heads},
          {"unread_adapter_heads", report.unread_adapter_heads},
          {"tied_head", report.tied_head.empty() ? core::Json() : core::Json(report.tied_head)},
          {"untied_head", report.untied_head.empty() ? core::Json() : core::Json(report.untied_head)}};
}

}  // namespace attune::model
