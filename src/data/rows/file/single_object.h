// A JSON file that is one object: a row, rows under a field, or columns of lists.
#pragma once

#include <functional>
#include <string>

#include "core/json.h"

namespace attune::data {

struct ObjectReading {
  std::string field;  ///< where the rows lie (data.field: "data", "data.train"); "": found out
  std::function<bool(const core::Json&)> readable;  ///< whether some format reads this as a row
};

/// The list of rows in the object, by what can be read: columns of equally long lists, as pandas and datasets
/// write them; the only member, of the object or of one in it, that is a list of rows. Null where the object is a row itself.
/// @throws Error{kRequest}: several such members, none of the name asked for
core::Json rows_of_object(const std::string& path, const core::Json& object, const ObjectReading& how);

}  // namespace attune::data
