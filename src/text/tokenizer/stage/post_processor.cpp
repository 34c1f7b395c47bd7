#include "text/tokenizer/stage/post_processor.h"

#include <string_view>

#include "core/error.h"
#include "text/tokenizer/vocabulary.h"

namespace attune::text {
namespace {

/// More special tokens around a text than any tokenizer has; files that name the same list many times reach
/// any number.
constexpr std::size_t kMaxFrame = 1000;

void check_frame(const SpecialFrame& frame, const JsonView& view) {
  if (frame.before.size() + frame.after.size() > kMaxFrame)
    view.fail(fmt::format("more than {} special tokens around a text", kMaxFrame));
}

std::int32_t token_id(const JsonView& view) {
  return static_cast<std::int32_t>(view.integer(0, kMaxTokenId));
}

/// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids":
/// [1]}}}
SpecialFrame read_template(const JsonView& view) {
  SpecialFrame frame;
  int sequences = 0;
  const JsonView single = view.at("single");
  single.each([&](const JsonView& item) {
    if (const auto sequence = item.find("Sequence")) {
      if (sequence->at("id").text() != "A")
        sequence->fail("only the sequence \"A\" can stand in a single text");
      ++sequences;
      return;
    }
    const auto name = item.at("SpecialToken").at("id");
    auto& ids = sequences == 0 ? frame.before : frame.after;
    view.at("special_tokens").at(name.text()).at("ids").each([&](const JsonView& id) {
      ids.push_back(token_id(id));
      check_frame(frame, item);
    });
  });
  if (sequences != 1) single.fail("the text itself (\"Sequence\": \"A\") must stand here exactly once");
  return frame;
}

/// {"sep": ["</s>", 2], "cls": ["<s>", 0]}
SpecialFrame read_cls_sep(const JsonView& view) {
  const auto id_of = [&](std::string_view key) {
    std::int32_t id = -1;
    int index = 0;
    view.at(key).each([&](const JsonView& element) {
      if (index++ == 1) id = token_id(element);
    });
    if (id < 0 || index != 2) view.at(key).fail("a pair [token, id] is needed here");
    return id;
  };
  return {{id_of("cls")}, {id_of("sep")}};
}

SpecialFrame read_sequence(const JsonView& view) {
  SpecialFrame frame;
  view.at("processors").each([&](const JsonView& part) {
    const SpecialFrame outer = read_post_processor(part);
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
    check_frame(frame, part);
  });
  return frame;
}

}  // namespace

SpecialFrame read_post_processor(const JsonView& view) {
  const std::string_view type = view.at("type").text();
  if (type == "TemplateProcessing") return read_template(view);
  if (type == "BertProcessing" || type == "RobertaProcessing") return read_cls_sep(view);
  if (type == "ByteLevel") return {};
  if (type == "Sequence") return read_sequence(view);
  view.fail(fmt::format("the post-processor type \"{}\" is not supported", type));
}

}  // namespace attune::text
