// Cuts a template into tokens, with jinja2's whitespace rules (trim_blocks, lstrip_blocks, `-` and `+`).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text::jinja {

enum class TokenType {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;  ///< name, operator, data, or the content of a string
  std::int64_t integer = 0;
  double number = 0;
  int line = 1;
};

/// @throws Failure{kSyntax} with the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace attune::text::jinja
