// Putting a tokenizer together from the files of a folder.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "text/tokenizer/special_tokens.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_class.h"
#include "text/tokenizer/tokenizer_core.h"

namespace attune::text {
namespace {

using core::Json;
using core::fs::exists;

constexpr std::uint64_t kMaxFile = std::uint64_t{512} << 20;

/// The model of tokenizer.json; older files do not say what it is.
std::unique_ptr<const SubwordModel> make_model(const JsonView& model) {
  std::string type = model.text_or("type", "");
  if (type.empty()) {
    type = model.find("merges")                                  ? "BPE"
           : model.find("vocab") && model.at("vocab").is_array() ? "Unigram"
           : model.find("max_input_chars_per_word")              ? "WordPiece"
                                                                 : "WordLevel";
  }
  if (type == "BPE") return make_bpe(model);
  model.fail(
      fmt::format("the model type \"{}\" is not supported yet; byte-level and byte-fallback BPE are", type));
}

std::vector<std::pair<std::int64_t, AddedToken>> read_file_tokens(const JsonView& root) {
  std::vector<std::pair<std::int64_t, AddedToken>> tokens;
  if (const auto list = root.find("added_tokens")) {
    list->each([&](const JsonView& entry) {
      tokens.emplace_back(entry.at("id").integer(0, kMaxTokenId), read_added_token(entry));
    });
  }
  return tokens;
}

template <class Part, class Make>
std::unique_ptr<const Part> part_of(const JsonView& root, std::string_view key, Make make) {
  const auto view = root.find(key);
  return view ? make(*view) : nullptr;
}

/// All of tokenizer.json, as `tokenizers.Tokenizer.from_file` reads it.
TokenizerParts parts_of_file(const JsonView& root) {
  TokenizerParts parts;
  parts.model = make_model(root.at("model"));  // first: of all that may be unsupported, this says most
  parts.normalizer = part_of<Normalizer>(root, "normalizer", make_normalizer);
  parts.pre_tokenizer = part_of<PreTokenizer>(root, "pre_tokenizer", make_pre_tokenizer);
  parts.decoder = part_of<Decoder>(root, "decoder", make_decoder);
  if (const auto post = root.find("post_processor")) parts.frame = read_post_processor(*post);
  std::vector<AddedToken> tokens;
  for (auto& [id, token] : read_file_tokens(root)) tokens.push_back(std::move(token));
  parts.added.add(tokens, parts.model->vocabulary(), parts.normalizer.get());
  return parts;
}

template <class Part, class Make>
std::unique_ptr<const Part> part_of_recipe(const std::string& json, Make make) {
  if (json.empty()) return nullptr;
  const JsonDocument document(json, "tokenizer class");
  return make(document.root());
}

/// Reads the files of one model folder.
class FolderLoader {
 public:
  explicit FolderLoader(const std::string& folder)
      : folder_(folder),
        config_(optional_json("tokenizer_config.json")),
        model_config_(optional_json("config.json")) {}

  TokenizerParts load() {
    if (exists(path("tokenizer.json"))) {
      load_file();
    } else if (const std::string why = Tokenizer::missing_from(folder_); why.empty()) {
      load_vocabulary_and_merges();
    } else {
      core::fail_request("{}", why);
    }
    parts_.fingerprint = fingerprint_;
    return std::move(parts_);
  }

 private:
  std::string path(const char* name) const { return (core::fs::path(folder_) / name).string(); }

  Json optional_json(const char* name) {
    if (!exists(path(name))) return Json::object();
    const std::string text = read(name);
    Json json = core::parse_json(text, path(name));
    if (!json.is_object()) core::fail_request("{}: an object is needed", path(name));
    return json;
  }

  std::string read(const char* name) {
    std::string text = core::read_file(path(name), kMaxFile);
    // config.json changes for reasons that have nothing to do with the tokenizer.
    if (std::string_view(name) != "config.json") fingerprint_ = core::fingerprint(text, fingerprint_);
    return text;
  }

  void load_file() {
    const std::string text = read("tokenizer.json");
    const JsonDocument document(text, path("tokenizer.json"));
    const JsonView root = document.root();
    const bool byte_level = text.find("\"ByteLevel\"") != std::string::npos;
    const std::string name = choose_tokenizer_class(config_, model_config_, byte_level);
    auto recipe = find_class_recipe(name, config_);
    const JsonView model = root.at("model");
    // A recipe is for BPE; a file with another model says so in its own words.
    if (recipe && model.text_or("type", "BPE") != "BPE") recipe.reset();
    const auto settings =
        read_token_settings(folder_, config_, read_file_tokens(root),
                            recipe ? recipe->default_tokens : decltype(recipe->default_tokens){});
    if (!recipe) {
      parts_ = parts_of_file(root);
    } else {
      take_recipe(*recipe, settings);
      parts_.model = make_bpe(model, recipe->bpe);
      if (const auto post = root.find("post_processor"); post && recipe->frame == ClassRecipe::Frame::kFile) {
        parts_.frame = read_post_processor(*post);
      }
    }
    add_tokens(settings, recipe && recipe->readds_special_tokens);
    if (recipe && recipe->frame == ClassRecipe::Frame::kAlways) set_frame(true, true);
  }

  void load_vocabulary_and_merges() {
    std::string name = choose_tokenizer_class(config_, model_config_, false);
    if (name.empty() || name == "PreTrainedTokenizer" || name == "PreTrainedTokenizerFast" ||
        name == "TokenizersBackend") {
      name = "GPT2Tokenizer";  // what such a pair of files was invented for
    }
    auto recipe = find_class_recipe(name, config_);
    if (!recipe) {
      core::fail_request(
          "{}: the tokenizer class \"{}\" is not known for vocab.json and merges.txt; save the tokenizer "
          "as tokenizer.json",
          folder_, name);
    }
    const auto settings = read_token_settings(folder_, config_, {}, recipe->default_tokens);
    take_recipe(*recipe, settings);
    const std::string vocabulary = read("vocab.json"), merges = read("merges.txt");
    const JsonDocument document(vocabulary, path("vocab.json"));
    parts_.model = make_bpe(document.root(), merges, path("merges.txt"), recipe->bpe);
    add_tokens(settings, recipe->readds_special_tokens);
    const bool always = recipe->frame == ClassRecipe::Frame::kAlways;
    set_frame(always || setting("add_bos_token"), always || setting("add_eos_token"));
  }

  void take_recipe(ClassRecipe& recipe, const TokenSettings& settings) {
    parts_.normalizer = part_of_recipe<Normalizer>(recipe.normalizer, make_normalizer);
    parts_.pre_tokenizer = part_of_recipe<PreTokenizer>(recipe.pre_tokenizer, make_pre_tokenizer);
    parts_.decoder = part_of_recipe<Decoder>(recipe.decoder, make_decoder);
    if (recipe.bpe.unk_token) {
      if (const AddedToken* unk = settings.find("unk_token")) recipe.bpe.unk_token = unk->content;
    }
  }

  void add_tokens(const TokenSettings& settings, bool readd) {
    const auto add = [&](const std::vector<AddedToken>& tokens) {
      parts_.added.add(tokens, parts_.model->vocabulary(), parts_.normalizer.get());
    };
    std::vector<AddedToken> fresh;
    for (const AddedToken& token : settings.to_add()) {
      const bool stated = std::any_of(settings.by_id.begin(), settings.by_id.end(), [&](const auto& entry) {
        return entry.second.content == token.content;
      });
      if (stated || !parts_.added.find(token.content)) fresh.push_back(token);
    }
    add(fresh);
    if (readd) {
      std::vector<AddedToken> again;
      for (const auto& [name, token] : settings.named) {
        again.push_back({.content = token.content, .normalized = false, .special = true});
      }
      for (const auto& token : settings.extra) {
        again.push_back({.content = token.content, .normalized = false, .special = true});
      }
      add(again);
    }
    for (const auto& [name, token] : settings.named) parts_.special_texts[name] = token.content;
  }

  bool setting(const char* key) const {
    const auto found = config_.find(key);
    return found != config_.end() && found->is_boolean() && found->get<bool>();
  }

  void set_frame(bool bos, bool eos) {
    const auto put = [&](bool wanted, const char* name, std::vector<std::int32_t>& ids) {
      const auto text = parts_.special_texts.find(name);
      if (wanted && text != parts_.special_texts.end()) ids = {parts_.added.find(text->second).value()};
    };
    parts_.frame = {};
    put(bos, "bos_token", parts_.frame.before);
    put(eos, "eos_token", parts_.frame.after);
  }

  std::string folder_;
  std::uint64_t fingerprint_ = core::fingerprint("tokenizer");
  Json config_, model_config_;
  TokenizerParts parts_;
};

TokenizerParts load_file_alone(const std::string& file) {
  if (file.find(".model") != std::string::npos) {
    core::fail_request("{}: SentencePiece models are not supported; save the tokenizer as tokenizer.json",
                       file);
  }
  const std::string text = core::read_file(file, kMaxFile);
  const JsonDocument document(text, file);
  TokenizerParts parts = parts_of_file(document.root());
  parts.fingerprint = core::fingerprint(text);
  return parts;
}

}  // namespace

std::string Tokenizer::missing_from(const std::string& folder) {
  const auto has = [&](const char* name) { return exists(core::fs::path(folder) / name); };
  if (has("tokenizer.json") || (has("vocab.json") && has("merges.txt"))) return "";
  for (const char* name : {"tokenizer.model", "tokenizer.model.v1", "tokenizer.model.v3", "tekken.json"}) {
    if (!has(name)) continue;
    return fmt::format(
        "{}: SentencePiece and tekken tokenizers are not supported; save the tokenizer as tokenizer.json "
        "(transformers: tokenizer.save_pretrained)",
        core::join_path(folder, name));
  }
  return fmt::format("{}: no tokenizer here: neither tokenizer.json nor vocab.json with merges.txt", folder);
}

TokenizerParts load_tokenizer_parts(const std::string& folder_or_file) {
  const core::fs::path path(folder_or_file);
  if (!exists(path)) core::fail_request("{}: no such file or folder", folder_or_file);
  const bool is_folder = core::fs::is_directory(path);
  TokenizerParts parts = is_folder ? FolderLoader(folder_or_file).load() : load_file_alone(folder_or_file);
  parts.folder = is_folder ? folder_or_file : path.parent_path().string();
  return parts;
}

}  // namespace attune::text
