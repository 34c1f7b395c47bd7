#include <ATen/ATen.h>

#include <array>

#include "core/error.h"
#include "model/files/safetensors.h"

namespace attune::model {
namespace {

struct Dtype {
  std::string_view stored, setting;
  at::ScalarType type;
};

constexpr std::array<Dtype, 14> kDtypes = {{
    {"F32", "float32", at::kFloat},
    {"BF16", "bfloat16", at::kBFloat16},
    {"F16", "float16", at::kHalf},
    {"F64", "float64", at::kDouble},
    {"BOOL", "", at::kBool},
    {"U8", "", at::kByte},
    {"I8", "", at::kChar},
    {"I16", "", at::kShort},
    {"I32", "", at::kInt},
    {"I64", "", at::kLong},
    {"F8_E4M3", "", at::kFloat8_e4m3fn},
    {"F8_E5M2", "", at::kFloat8_e5m2},
    {"F8_E4M3FNUZ", "", at::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", "", at::kFloat8_e5m2fnuz},
}};

}  // namespace

std::optional<at::ScalarType> scalar_type_of(std::string_view dtype) {
  for (const auto& known : kDtypes)
    if (known.stored == dtype) return known.type;
  return std::nullopt;
}

std::string_view dtype_name(at::ScalarType type) {
  for (const auto& known : kDtypes)
    if (known.type == type) return known.stored;
  return "";
}

at::ScalarType scalar_type_from_setting(const std::string& name) {
  for (const auto& known : kDtypes)
    if (!known.setting.empty() && known.setting == name) return known.type;
  core::fail_request("dtype '{}' is not known: use float32, bfloat16, float16 or float64", name);
}

std::string setting_of(at::ScalarType type) {
  for (const auto& known : kDtypes)
    if (known.type == type && !known.setting.empty()) return std::string(known.setting);
  return "float32";
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace attune::model
