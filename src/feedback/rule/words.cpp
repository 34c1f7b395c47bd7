#include <algorithm>
#include <set>

#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

struct WordLists {
  std::vector<std::string> positive, negative;
};

/// "kindness": what a reader of children's stories would call kind, and unkind. `x*` is every word that
/// begins with x.
WordLists preset_lists(const std::string& preset) {
  if (preset != "kindness") return {};
  return {{"kind",   "kindly",  "kindness", "help",   "helped",   "helpful",  "helping", "helps",
           "share",  "shared",  "sharing",  "hug*",   "friend*",  "love",     "loved",   "loves",
           "loving", "thank*",  "smile",    "smiled", "smiles",   "smiling",  "gentle",  "gently",
           "care",   "cared",   "careful",  "caring", "comfort*", "forgive*", "forgave", "together",
           "happy",  "happily", "proud",    "nice",   "please",   "cheer*"},
          {"mean",  "angry",  "anger",  "mad",     "hate*",   "hit",   "hits",   "hitting",
           "hurt*", "fight*", "fought", "yell*",   "scream*", "kill*", "die",    "died",
           "dead",  "stupid", "ugly",   "steal*",  "stole",   "scary", "scared", "cried",
           "cry",   "crying", "bad",    "naughty", "selfish", "rude",  "broke",  "lonely"}};
}

/// Whole words of a list, with a trailing * for every word that begins so.
class WordSet {
 public:
  explicit WordSet(const std::vector<std::string>& entries) {
    for (const std::string& entry : entries) {
      const std::string word = lowercase(entry);
      if (word.ends_with('*')) {
        prefixes_.push_back(word.substr(0, word.size() - 1));
      } else {
        words_.insert(word);
      }
    }
  }
  bool has(const std::string& word) const {
    const auto begins = [&word](const std::string& prefix) { return word.starts_with(prefix); };
    return words_.contains(word) || std::any_of(prefixes_.begin(), prefixes_.end(), begins);
  }

 private:
  std::set<std::string> words_;
  std::vector<std::string> prefixes_;
};

/// Counts wanted and unwanted words, whole and in any case.
class Words : public TextRule {
 public:
  RuleInfo info() const override {
    return {"words", "Rewards words of one list and punishes those of another (preset: kindness).", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("positive", positive_, "Wanted words; 'smil*' is every word that begins so.");
    fields.add("negative", negative_, "Unwanted words.");
    fields.add("preset", preset_, "A ready pair of lists, to which the others are added.")
        .one_of({"", "kindness"});
    fields
        .add(
            "mode", mode_,
            "enough: different wanted words up to `enough` of them, less unwanted ones, divided by `enough`; "
            "fraction: (wanted - unwanted) / words; any: 1 with a wanted and no unwanted word, else 0.")
        .one_of({"enough", "fraction", "any"});
    fields.add("enough", enough_, "So many different words give the full reward (mode enough).")
        .range(1, 1e6);
    return fields;
  }
  void check() const override {
    if (positive_.empty() && negative_.empty() && preset_.empty()) {
      core::fail_request("rule words: set positive, negative or preset");
    }
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    WordLists lists = preset_lists(preset_);
    lists.positive.insert(lists.positive.end(), positive_.begin(), positive_.end());
    lists.negative.insert(lists.negative.end(), negative_.begin(), negative_.end());
    const WordSet wanted(lists.positive), unwanted(lists.negative);
    const auto words = words_of(text);
    std::set<std::string> good, bad;
    double good_count = 0, bad_count = 0;
    for (const std::string& word : words) {
      if (wanted.has(word)) ++good_count, good.insert(word);
      if (unwanted.has(word)) ++bad_count, bad.insert(word);
    }
    RuleScore score;
    score.metrics = {{"positive", good_count}, {"negative", bad_count}};
    if (mode_ == "fraction") {
      score.reward = words.empty() ? 0 : (good_count - bad_count) / static_cast<double>(words.size());
    } else if (mode_ == "any") {
      score.reward = (good_count > 0 || lists.positive.empty()) && bad_count == 0 ? 1 : 0;
    } else {
      const auto enough = static_cast<double>(enough_);
      score.reward = (std::min(static_cast<double>(good.size()), enough) -
                      std::min(static_cast<double>(bad.size()), enough)) /
                     enough;
    }
    return score;
  }

 private:
  std::vector<std::string> positive_, negative_;
  std::string preset_, mode_ = "enough";
  std::int64_t enough_ = 3;
};

}  // namespace

std::unique_ptr<Rule> rule_words() { return std::make_unique<Words>(); }

}  // namespace attune::feedback
