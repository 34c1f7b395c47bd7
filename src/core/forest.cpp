#include "core/forest.h"

#include <algorithm>

#include "core/error.h"

namespace attune::core {
namespace {

std::uint64_t content_of(const TokenSequence& sequence, std::size_t at) {
  return sequence.content.empty() ? 0 : sequence.content[at];
}

/// A node of the radix tree of one group: tokens [from, to) of `source`, then branches.
struct Node {
  const TokenSequence* source;
  std::size_t from, to;
  std::vector<std::size_t> children;
};

/// Radix tree over the sequences of one group; ends[i] is the node in which sequence i ends.
struct Tree {
  std::vector<Node> nodes;
  std::vector<std::size_t> roots, ends;

  std::size_t common(const Node& node, const TokenSequence& sequence) const {
    const auto a = node.source->ids.subspan(node.from, node.to - node.from);
    const auto b = sequence.ids.subspan(node.from);
    const auto equal_ids =
        static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    if (node.source->content.empty() && sequence.content.empty()) return equal_ids;
    std::size_t count = 0;
    while (count < equal_ids &&
           content_of(*node.source, node.from + count) == content_of(sequence, node.from + count))
      ++count;
    return count;
  }

  /// Cuts a node after `count` tokens: it keeps the head, a new child takes the tail and the children.
  void split(std::size_t index, std::size_t count) {
    const std::size_t middle = nodes[index].from + count;
    const std::size_t tail = nodes.size();
    nodes.push_back({nodes[index].source, middle, nodes[index].to, std::move(nodes[index].children)});
    nodes[index].to = middle;
    nodes[index].children = {tail};
    for (auto& end : ends)
      if (end == index) end = tail;
  }

  std::vector<std::size_t>& siblings(std::ptrdiff_t parent) {
    return parent < 0 ? roots : nodes[static_cast<std::size_t>(parent)].children;
  }

  void insert(const TokenSequence& sequence, bool share) {
    std::ptrdiff_t parent = -1;
    std::size_t at = 0;
    while (share && at < sequence.ids.size()) {
      const auto& branches = siblings(parent);
      const auto match = std::find_if(branches.begin(), branches.end(), [&](std::size_t i) {
        return nodes[i].source->table == sequence.table &&
               nodes[i].source->ids[nodes[i].from] == sequence.ids[at] &&
               content_of(*nodes[i].source, nodes[i].from) == content_of(sequence, at);
      });
      if (match == branches.end()) break;
      const std::size_t index = *match, count = common(nodes[index], sequence);
      if (nodes[index].from + count < nodes[index].to) split(index, count);
      at = nodes[index].to;
      parent = static_cast<std::ptrdiff_t>(index);
    }
    if (at < sequence.ids.size()) {
      nodes.push_back({&sequence, at, sequence.ids.size(), {}});
      siblings(parent).push_back(nodes.size() - 1);
      parent = static_cast<std::ptrdiff_t>(nodes.size() - 1);
    }
    ends.push_back(static_cast<std::size_t>(parent));
  }
};

Tree build_tree(std::span<const TokenSequence> group, bool share) {
  Tree tree;
  for (const auto& sequence : group) {
    ATTUNE_ASSERT(!sequence.ids.empty());
    ATTUNE_ASSERT(sequence.content.empty() || sequence.content.size() == sequence.ids.size());
    tree.insert(sequence, share);
  }
  return tree;
}

/// Appends the tree to the stream, depth first without recursion (a tree may be as deep as a text is long).
void append(const Tree& tree, Forest& forest) {
  std::vector<std::int32_t> segment_of(tree.nodes.size(), -1);
  struct Visit {
    std::size_t node;
    std::int32_t parent;
    bool leaving;
  };
  std::vector<Visit> stack;
  for (auto root = tree.roots.rbegin(); root != tree.roots.rend(); ++root)
    stack.push_back({*root, -1, false});
  while (!stack.empty()) {
    const Visit visit = stack.back();
    stack.pop_back();
    const Node& node = tree.nodes[visit.node];
    const auto begin = static_cast<std::int32_t>(forest.tokens.size());
    if (visit.leaving) {
      forest.segments[static_cast<std::size_t>(segment_of[visit.node])].subtree_end = begin;
      continue;
    }
    const auto count = static_cast<std::int32_t>(node.to - node.from);
    segment_of[visit.node] = static_cast<std::int32_t>(forest.segments.size());
    forest.segments.push_back({visit.parent, begin, begin + count, begin + count,
                               static_cast<std::int32_t>(node.from), node.source->table});
    for (std::size_t i = node.from; i < node.to; ++i) {
      forest.tokens.push_back(node.source->ids[i]);
      forest.positions.push_back(static_cast<std::int32_t>(i));
    }
    if (!node.source->content.empty()) {
      forest.content.resize(forest.tokens.size());
      std::copy_n(node.source->content.begin() + static_cast<std::ptrdiff_t>(node.from), count,
                  forest.content.begin() + begin);
    }
    stack.push_back({visit.node, visit.parent, true});
    for (auto child = node.children.rbegin(); child != node.children.rend(); ++child)
      stack.push_back({*child, segment_of[visit.node], false});
  }
  for (const std::size_t end : tree.ends) forest.leaf_of.push_back(segment_of[end]);
}

/// Calls visit(tree, group) for every run of sequences of one group.
template <class Visit>
void for_each_group(std::span<const TokenSequence> sequences, bool share, Visit visit) {
  for (std::size_t at = 0; at < sequences.size();) {
    std::size_t end = at + 1;
    while (end < sequences.size() && sequences[end].group == sequences[at].group) ++end;
    visit(build_tree(sequences.subspan(at, end - at), share));
    at = end;
  }
}

}  // namespace

std::vector<std::int32_t> Forest::stream_indices(std::size_t sequence) const {
  std::vector<std::int32_t> indices(static_cast<std::size_t>(sequence_lengths[sequence]));
  for (std::int32_t s = leaf_of[sequence]; s >= 0; s = segments[static_cast<std::size_t>(s)].parent) {
    const Segment& segment = segments[static_cast<std::size_t>(s)];
    for (std::int32_t i = segment.begin; i < segment.end; ++i)
      indices[static_cast<std::size_t>(segment.first_position + i - segment.begin)] = i;
  }
  return indices;
}

Forest build_forest(std::span<const TokenSequence> sequences, bool share) {
  Forest forest;
  for_each_group(sequences, share, [&](const Tree& tree) { append(tree, forest); });
  for (const auto& sequence : sequences)
    forest.sequence_lengths.push_back(static_cast<std::int32_t>(sequence.ids.size()));
  if (!forest.content.empty()) forest.content.resize(forest.tokens.size());
  return forest;
}

std::int64_t forest_size(std::span<const TokenSequence> sequences, bool share) {
  std::int64_t total = 0;
  for_each_group(sequences, share, [&](const Tree& tree) {
    for (const Node& node : tree.nodes) total += static_cast<std::int64_t>(node.to - node.from);
  });
  return total;
}

}  // namespace attune::core
