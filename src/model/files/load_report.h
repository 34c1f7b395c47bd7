// What loading did with the tensors of a folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::model {

/// Tensors that config.json and the files do not agree on. Those that config.json asks for and that no file
/// holds are refused before.
struct LoadReport {
  std::string folder;                     ///< of the base model
  std::string where;                      ///< the weight file or the index of the shards
  std::int64_t tensors = 0;               ///< in the files
  std::vector<std::string> unused;        ///< in the files, and no part of what config.json describes
  std::vector<std::string> unread_heads;  ///< of named heads in the files that nothing reads here
  std::string
      tied_head;  ///< the output head that config.json unties and no file holds: the embedding stands in
  std::string untied_head;    ///< the output head that config.json ties and whose file holds other numbers
  std::string adapter_where;  ///< the adapter's weight file; "" without an adapter
  std::vector<std::string> unread_adapter_heads;  ///< of named heads in it that nothing reads here

  /// A sentence for each disagreement.
  std::vector<std::string> warnings() const;
  /// Those of them that the reports in `said` do not have, by whatever path they name the same files.
  std::vector<std::string> warnings_besides(std::span<const LoadReport> said) const;
};

core::Json to_json(const LoadReport& report);

}  // namespace attune::model
