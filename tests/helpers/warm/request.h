// What the two halves of a warm start say to each other (client.cpp asks, server.cpp answers), over a socket:
//   client: one byte with the descriptors 0, 1, 2 and that of its working directory; then the counts of arguments and of
//           variables of the environment and the length of what follows: these texts, each closed by a zero byte.
//   server: the wait status of the program, once it has ended, or kRefused: "start it yourself".
#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace attune_warm {

constexpr int kDescriptors = 4;
constexpr std::int32_t kRefused = -1;

struct Sizes {
  std::uint32_t arguments = 0, variables = 0, bytes = 0;
};

/// All of a read or write, or false.
template <typename Call, typename Byte>
bool whole(Call call, int descriptor, Byte* data, std::size_t size) {
  while (size > 0) {
    const ssize_t done = call(descriptor, data, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    data += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

}  // namespace attune_warm
