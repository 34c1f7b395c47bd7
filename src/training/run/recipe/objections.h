// What is wrong with a recipe, gathered so that it is said in one message.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace attune::training {

/// Messages, each once.
class Objections {
 public:
  void add(std::string message) {
    if (std::ranges::find(said_, message) == said_.end()) said_.push_back(std::move(message));
  }
  void add_all(std::vector<std::string> messages) {
    for (std::string& message : messages) add(std::move(message));
  }
  /// Runs a check and keeps what it refuses. @return whether it went through
  template <class Check>
  bool ask(const Check& check) {
    try {
      check();
      return true;
    } catch (const core::Error& error) {
      if (error.exit_code() == 2) add(error.what());
      return false;
    }
  }
  bool empty() const { return said_.empty(); }
  std::vector<std::string> said() && { return std::move(said_); }

 private:
  std::vector<std::string> said_;
};

}  // namespace attune::training
