// attune_warm ARGUMENT…: what `attune ARGUMENT…` does, by a process forked from one that has libtorch loaded already
// (server.cpp), with this one's environment, working directory, input and outputs; ends as that one ends. The program
// itself, $ATTUNE_WARM_PROGRAM, takes its place where no server listens on $ATTUNE_WARM_SOCKET or it refuses.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/helpers/warm/request.h"

extern char** environ;

namespace {

using attune_warm::Sizes;

int connection() {
  const char* path = std::getenv("ATTUNE_WARM_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return -1;
  std::strcpy(address.sun_path, path);
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? made : -1;
}

bool send_descriptors(int to) {
  const int descriptors[attune_warm::kDescriptors] = {0, 1, 2, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof descriptors)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  return sendmsg(to, &message, MSG_NOSIGNAL) == 1;
}

/// The wait status of the forked program, or kRefused.
std::int32_t ask(char** arguments) {
  const int server = connection();
  if (server < 0 || !send_descriptors(server)) return attune_warm::kRefused;
  Sizes sizes;
  std::string texts;
  for (char** text = arguments; *text != nullptr; ++text, ++sizes.arguments)
    texts.append(*text).push_back('\0');
  for (char** text = environ; *text != nullptr; ++text, ++sizes.variables)
    texts.append(*text).push_back('\0');
  sizes.bytes = static_cast<std::uint32_t>(texts.size());
  std::int32_t status = attune_warm::kRefused;
  const bool asked = attune_warm::whole(write, server, reinterpret_cast<const char*>(&sizes), sizeof sizes) &&
                     attune_warm::whole(write, server, texts.data(), texts.size());
  if (!asked) return attune_warm::kRefused;
  // A server that ends in the middle takes the program with it: nothing may start it a second time.
  return attune_warm::whole(read, server, reinterpret_cast<char*>(&status), sizeof status) ? status : SIGKILL;
}

}  // namespace

int main(int, char** argv) {
  const char* program = std::getenv("ATTUNE_WARM_PROGRAM");
  if (program == nullptr) return 127;
  const std::string name = program;
  argv[0] = const_cast<char*>(name.c_str());
  const std::int32_t status = ask(argv);
  if (status == attune_warm::kRefused) {
    execv(name.c_str(), argv);
    return 127;
  }
  if (WIFSIGNALED(status)) {
    std::signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  return WEXITSTATUS(status);
}
