#include "model/files/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "core/files/files.h"
#include "support.h"

namespace attune::model {
namespace {

using ::testing::HasSubstr;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(length >> (8 * i) & 0xff));
  return out + rest;
}

std::string file_of(const std::string& header, std::size_t data) {
  return with_length(header.size(), header + std::string(data, '\0'));
}

/// The message that reading such a file gives; "" when it is accepted.
std::string message_for(const std::string& bytes) {
  const test::TemporaryFolder folder;
  test::write_text(folder / "x.safetensors", bytes);
  try {
    const SafetensorsFile file(folder / "x.safetensors");
    return "";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRequest);
    EXPECT_THAT(error.what(), HasSubstr("x.safetensors"));
    return error.what();
  }
}

std::string entry(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  EXPECT_EQ(message_for(file_of(R"({"a":)" + entry("[2,3]", "[0,24]") + "}", 24)), "");
  EXPECT_EQ(message_for(file_of(R"({"a":)" + entry("[]", "[0,4]") + "}   ", 4)), "");
  EXPECT_EQ(message_for(file_of(R"({"a":)" + entry("[0,7]", "[0,0]") + "}", 0)), "");
  EXPECT_EQ(message_for(
                file_of(R"({"__metadata__":{"format":"pt"},"a":)" + entry("[3]", "[0,3]", "BOOL") + "}", 3)),
            "");
  EXPECT_EQ(message_for(file_of("{}", 0)), "");
}

TEST(Safetensors, NamesWhatIsWrong) {
  EXPECT_THAT(message_for(""), HasSubstr("empty"));
  EXPECT_THAT(message_for("abc"), HasSubstr("truncated"));
  EXPECT_THAT(message_for(with_length(100'000'001, "{}")), HasSubstr("claims 100000001 bytes"));
  EXPECT_THAT(message_for(with_length(~std::uint64_t{0}, "{}")), HasSubstr("claims"));
  EXPECT_THAT(message_for(with_length(50, "{}")), HasSubstr("truncated"));
  EXPECT_THAT(message_for(file_of(" {}", 0)), HasSubstr("does not start with"));
  EXPECT_THAT(message_for(file_of("{\"a\":\xff}", 0)), HasSubstr("not valid JSON"));
  EXPECT_THAT(message_for(file_of("[]", 0)), HasSubstr("does not start with"));
  const std::string a = R"({"a":)" + entry("[1]", "[0,4]");
  EXPECT_THAT(message_for(file_of(a + R"(,"a":)" + entry("[1]", "[4,8]") + "}", 8)), HasSubstr("duplicate"));
  EXPECT_THAT(message_for(file_of(a + R"(,"b":)" + entry("[1]", "[2,6]") + "}", 6)), HasSubstr("overlap"));
  EXPECT_THAT(message_for(file_of(a + R"(,"b":)" + entry("[1]", "[8,12]") + "}", 12)), HasSubstr("gap"));
  EXPECT_THAT(message_for(file_of(a + "}", 8)), HasSubstr("damaged"));
  EXPECT_THAT(message_for(file_of(R"({"a":)" + entry("[1]", "[4,8]") + "}", 8)), HasSubstr("gap"));
  EXPECT_THAT(message_for(file_of(a + "}", 3)), HasSubstr("truncated"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[2]", "[0,4]") + "}", 4)), HasSubstr("'w'"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[4611686018427387904,4]", "[0,4]") + "}", 4)),
              HasSubstr("overflow"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[-1]", "[0,4]") + "}", 4)), HasSubstr("non-negative"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[1]", "[4,0]") + "}", 4)), HasSubstr("backwards"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[1]", "[0,4]", "F31") + "}", 4)), HasSubstr("F31"));
  EXPECT_THAT(message_for(file_of(R"({"w":)" + entry("[1]", "[0,1]", "F4") + "}", 1)),
              HasSubstr("whole bytes"));
  EXPECT_THAT(message_for(file_of(R"({"__metadata__":{"format":1}})", 0)), HasSubstr("__metadata__"));
  EXPECT_THAT(message_for(file_of(R"({"w":3})", 0)), HasSubstr("not an object"));
  EXPECT_THAT(message_for(file_of(std::string("{\"a\":") + std::string(100000, '['), 0)),
              HasSubstr("nested"));
}

std::vector<TensorToWrite> to_write(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  std::vector<TensorToWrite> out;
  for (const auto& [name, tensor] : tensors)
    out.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), [tensor = tensor] { return tensor; }});
  return out;
}

TEST(Safetensors, WritesInTheReferenceOrderAndReadsBack) {
  const test::TemporaryFolder folder;
  const at::Tensor half = at::randn({3}, at::kBFloat16), single = at::randn({2, 3}),
                   exact = at::randn({1}, at::kDouble);
  write_safetensors(folder / "x.safetensors",
                    to_write({{"b", half}, {"z", single}, {"a", single.t()}, {"d", exact}}));
  const SafetensorsFile file(folder / "x.safetensors");
  std::vector<std::string> order;
  for (const auto& tensor : file.tensors()) order.push_back(tensor.name);
  EXPECT_THAT(order, ::testing::ElementsAre("d", "a", "z", "b"));  // F64, then F32 by name, then BF16
  EXPECT_TRUE(file.tensors()[1].load(at::kFloat).equal(single.t()));
  EXPECT_TRUE(file.tensors()[3].load(at::kBFloat16).equal(half));
  const std::string bytes = core::read_file(folder / "x.safetensors");
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);  // header length is a multiple of 8
  EXPECT_THAT(bytes, HasSubstr(R"({"__metadata__":{"format":"pt"})"));
}

TEST(Safetensors, RefusesNaNAndIntegerWeights) {
  const test::TemporaryFolder folder;
  at::Tensor bad = at::zeros({4, 4});
  bad[2][1] = std::numeric_limits<float>::quiet_NaN();
  at::Tensor infinite = at::zeros({3});
  infinite[1] = std::numeric_limits<float>::infinity();
  write_safetensors(folder / "x.safetensors", to_write({{"nan", bad},
                                                        {"inf", infinite},
                                                        {"int", at::ones({2}, at::kInt)},
                                                        {"big", at::full({2}, 1e30)},
                                                        {"f8", bad.to(at::kFloat8_e5m2)}}));
  const WeightFiles files(folder / "x.safetensors");
  const auto refused = [&](const char* name, at::ScalarType type) -> std::string {
    try {
      files.find(name)->load(type);
      return "";
    } catch (const core::Error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(refused("nan", at::kFloat), HasSubstr("'nan' holds NaN"));
  EXPECT_THAT(refused("f8", at::kFloat), HasSubstr("'f8' holds NaN"));
  EXPECT_THAT(refused("inf", at::kFloat), HasSubstr("'inf' holds NaN or infinite"));
  EXPECT_THAT(refused("int", at::kFloat), HasSubstr("I32"));
  EXPECT_EQ(refused("big", at::kFloat), "");
  EXPECT_THAT(refused("big", at::kHalf),
              HasSubstr("float16"));  // finite in the file, infinite after conversion
}

TEST(Safetensors, RefusesShapesThatNoTensorCanHave) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::string& shape, std::size_t data) -> std::string {
    const std::string offsets = "[0," + std::to_string(data) + "]";
    test::write_text(folder / "x.safetensors", file_of(R"({"a":)" + entry(shape, offsets) + "}", data));
    const SafetensorsFile file(folder / "x.safetensors");  // the header itself is valid
    try {
      file.tensors()[0].load(at::kFloat);
      return "";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kRequest);
      return error.what();
    }
  };
  // 0 elements, but the stride of the first dimension would be 2^124.
  EXPECT_THAT(refused("[0,4611686018427387904,4611686018427387904]", 0),
              HasSubstr("'a': its shape [0, 4611686018427387904"));
  const auto ones = [](int count) {
    std::string shape = "[1";
    for (int i = 1; i < count; ++i) shape += ",1";
    return shape + "]";
  };
  EXPECT_EQ(refused(ones(64), 4), "");
  EXPECT_THAT(refused(ones(65), 4), HasSubstr("beyond what can be computed with"));
}

TEST(WeightFiles, ShardsRoundTrip) {
  const test::TemporaryFolder folder;
  const at::Tensor a = at::randn({10}), b = at::randn({10}), c = at::randn({10});
  write_weight_files(folder.path(), to_write({{"a", a}, {"b", b}, {"c", c}}),
                     80);  // two tensors of 40 bytes a shard
  const core::Json index = core::read_json_file(folder / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], 120);
  EXPECT_EQ(index["weight_map"]["c"], "model-00002-of-00002.safetensors");
  const WeightFiles files(folder.path(), "model.safetensors");
  EXPECT_TRUE(files.find("b")->load(at::kFloat).equal(b));
  EXPECT_TRUE(files.find("c")->load(at::kFloat).equal(c));
  EXPECT_EQ(files.find("d"), nullptr);
}

TEST(WeightFiles, TheIndexIsNotTrusted) {
  const auto refused = [](const std::string& index) -> std::string {
    const test::TemporaryFolder folder;
    write_safetensors(folder / "here.safetensors", to_write({{"a", at::ones({2})}}));
    test::write_text(folder / "model.safetensors.index.json", index);
    try {
      const WeightFiles files(folder.path(), "model.safetensors");
      return "";
    } catch (const core::Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refused(R"({"metadata":{"x":1},"weight_map":{"a":"here.safetensors"}})"), "");
  EXPECT_THAT(refused(R"({"weight_map":{"a":"../other.safetensors"}})"), HasSubstr("out of the folder"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":"sub/../../x"}})"), HasSubstr("out of the folder"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":"/etc/passwd"}})"), HasSubstr("out of the folder"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":"gone.safetensors"}})"), HasSubstr("gone.safetensors"));
  EXPECT_THAT(refused(R"({"weight_map":{"b":"here.safetensors"}})"), HasSubstr("'b'"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":1}})"), HasSubstr("no file name"));
  EXPECT_THAT(refused("[]"), HasSubstr("weight_map"));
}

}  // namespace
}  // namespace attune::model
