// Pairings: how the rated candidates of one prompt become what a method learns from. One file each in
// record/pairing/. The same code serves rows of files and rollouts: it sees record::Candidate and nothing
// else.
//
// What every pairing does, whatever it chooses:
//   derived     ranks that are not given follow from rewards, else from labels; labels from ranks (0 is
//               good); rewards from labels (1 and 0), never from ranks, which say nothing of distances
//   ties        candidates of equal rank make no pair, and no list by themselves; as a group they stay
//   duplicates  equal completions make no pair; those labelled both good and bad are left out; as
//               demonstrations they stand once, in lists once at their best place
//   singles     one candidate alone makes no pair and no list; as a group it stays, and has nothing to be
//               compared with
// All four are counted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/error.h"
#include "record/group_shape.h"

namespace attune::record {

/// What random choices depend on, so that they are the same wherever and however often they are made.
struct PairingKey {
  std::uint64_t seed = 0;
  std::uint64_t record = 0;  ///< row of the data, or number of the prompt
  std::uint64_t step = 0;    ///< step or epoch
};

/// What pairings did beside choosing, over all records that they saw.
struct PairingCounts {
  /// Reason → how often: "ties" and "duplicates" (comparisons that were not made; where there are none,
  /// records and candidates), "singles" (records), and reasons of single pairings.
  std::map<std::string, std::int64_t> left_out;
  std::map<std::string, std::int64_t> derived;  ///< "ranks from rewards" → records
};

struct PairingInfo {
  std::string name, summary, paper;  ///< paper: "" when there is none
};

/// Candidates with a rank each, as pairings compare them.
struct Ranking {
  std::span<const Candidate> candidates;
  std::vector<std::size_t> order;  ///< indices of candidates, best first; equal ranks in their given order
};

/// The comparisons that a pairing makes.
class PairList {
 public:
  PairList(std::span<const Candidate> candidates, PairingCounts& counts)
      : candidates_(candidates), counts_(counts) {}
  /// Adds a comparison of two candidates; ties and duplicates are counted instead.
  void add(std::size_t better, std::size_t worse);
  /// Counts a comparison that is not made.
  void leave_out(const std::string& reason) { ++counts_.left_out[reason]; }
  std::vector<Pair>& pairs() { return pairs_; }  ///< indices of candidates; weights are set afterwards
  /// Why there is none.
  core::ItemError why_empty() const;

 private:
  std::span<const Candidate> candidates_;
  PairingCounts& counts_;
  std::vector<Pair> pairs_;
  bool tied_ = false, equal_ = false, cut_ = false;
};

class Pairing {
 public:
  virtual ~Pairing() = default;
  virtual PairingInfo info() const = 0;
  /// What it can make.
  virtual std::vector<GroupShape> shapes() const = 0;
  /// The typed options; pointers into this object.
  virtual core::Fields fields() { return {}; }
  /// Whether the choice of pairs changes with PairingKey.
  virtual bool draws() const { return false; }

  bool makes(GroupShape shape) const;
  /// @param candidates of one prompt. Completions are compared by `completion_ids` where all have them, else
  /// by
  ///   `completion`; candidates without either are all different
  /// @param shape one that it makes
  /// @return who is learned from; or why this record cannot be used
  core::Result<Grouping> group(std::span<const Candidate> candidates, GroupShape shape, const PairingKey& key,
                               PairingCounts& counts) const;

 protected:
  // A pairing overrides what its shapes need.
  /// kPairs: adds comparisons, the better one first; two candidates or more.
  virtual void compare(const Ranking& ranking, const PairingKey& key, PairList& pairs) const;
  /// kLabels: sets every label; and kDemonstrations, which are then the good ones. The problem, where there
  /// is one.
  virtual std::optional<core::ItemError> label(std::span<Candidate> candidates, PairingCounts& counts) const;
  /// kDemonstrations: indices of those to be imitated.
  virtual core::Result<std::vector<std::size_t>> accept(std::span<Candidate> candidates,
                                                        PairingCounts& counts) const;

 private:
  core::Result<Grouping> make_pairs(std::vector<Candidate>& candidates, const PairingKey& key,
                                    PairingCounts& counts) const;
  core::Result<Grouping> make_labels(std::vector<Candidate>& candidates, PairingCounts& counts) const;
  core::Result<Grouping> make_demonstrations(std::vector<Candidate>& candidates, PairingCounts& counts) const;
};

/// Generated list: file name → factory, sorted.
const std::vector<std::pair<std::string_view, std::unique_ptr<Pairing> (*)()>>& pairing_entries();

/// The pairing named in a recipe: a name, or a map {name, options…}. @throws Error{kRequest} naming the
/// nearest name.
std::unique_ptr<Pairing> make_pairing(const core::Value& settings, const std::string& key = "pairing");
/// What is taken where a recipe names none: best_worst for pairs, as_given for the rest.
std::unique_ptr<Pairing> default_pairing(GroupShape shape);
/// @throws Error{kRequest} when it does not make the shape, naming those that do. `who` learns: "kto"
void require_shape(const Pairing& pairing, GroupShape shape, const std::string& who,
                   const std::string& key = "pairing");

}  // namespace attune::record
