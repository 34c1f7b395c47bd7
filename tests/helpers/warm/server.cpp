// A library to preload into `attune`: once the loader has brought libtorch up, which takes 0.3 s of processor time, and
// before anything of the program itself runs, it listens on $ATTUNE_WARM_SOCKET. For each request (request.h) it forks, and
// the fork goes on as the program that was asked for. Ends, with all forks, when its standard input closes.
#include <dlfcn.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/helpers/warm/request.h"

extern char** environ;

namespace {

using Main = int (*)(int, char**, char**);

struct Request {
  int descriptors[attune_warm::kDescriptors] = {};
  attune_warm::Sizes sizes;
  std::string texts;
  std::vector<char*> arguments, variables;  // into the texts, each with a closing null
};

struct Fork {
  pid_t process;
  int client;
};

bool receive_descriptors(int client, Request& request) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof request.descriptors)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  if (recvmsg(client, &message, MSG_CMSG_CLOEXEC) != 1) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_len != CMSG_LEN(sizeof request.descriptors)) return false;
  std::memcpy(request.descriptors, CMSG_DATA(header), sizeof request.descriptors);
  return true;
}

bool receive(int client, Request& request) {
  if (!receive_descriptors(client, request)) return false;
  if (!attune_warm::whole(read, client, reinterpret_cast<char*>(&request.sizes), sizeof request.sizes))
    return false;
  request.texts.resize(request.sizes.bytes);
  if (!attune_warm::whole(read, client, request.texts.data(), request.texts.size())) return false;
  char* at = request.texts.data();
  const auto take = [&at](std::uint32_t count, std::vector<char*>& into) {
    for (std::uint32_t i = 0; i < count; ++i, at += std::strlen(at) + 1) into.push_back(at);
    into.push_back(nullptr);
  };
  take(request.sizes.arguments, request.arguments);
  take(request.sizes.variables, request.variables);
  return true;
}

/// The variables that libraries read while they are loaded: a program that has others cannot go on from here.
std::vector<std::string> read_by_the_loader(char** variables) {
  std::vector<std::string> found;
  for (char** variable = variables; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    for (const std::string_view prefix :
         {"LD_", "OMP_", "GOMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_", "ATEN_", "GLIBC_", "MALLOC_"}) {
      if (text.starts_with(prefix)) found.emplace_back(text);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

int listener() {
  const char* path = std::getenv("ATTUNE_WARM_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) _exit(2);
  std::strcpy(address.sun_path, path);
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (!bound || listen(made, 64) != 0) _exit(2);
  return made;
}

/// What remains is to start the program: the process looks as if the client had become it.
void become(const Request& request, const sigset_t& signals) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < 3; ++i) dup2(request.descriptors[i], i);
  if (fchdir(request.descriptors[3]) != 0) _exit(127);
  close_range(3, ~0U, 0);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
}

class Server {
 public:
  /// Returns in forks only, as what they are asked to be.
  Request serve() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &signals_);
    const int ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    const int asked = listener();
    for (;;) {
      std::vector<pollfd> events = {{0, POLLIN, 0}, {asked, POLLIN, 0}, {ended, POLLIN, 0}};
      for (const Fork& fork : forks_) events.push_back({fork.client, POLLIN, 0});
      if (poll(events.data(), events.size(), -1) < 0) continue;
      if (events[0].revents != 0) _exit(0);
      // A client that was ended takes its fork with it.
      for (std::size_t i = 0; i < forks_.size(); ++i) {
        if (events[3 + i].revents != 0) kill(forks_[i].process, SIGKILL);
      }
      signalfd_siginfo ignored;
      while (read(ended, &ignored, sizeof ignored) > 0) continue;
      report();
      if (events[1].revents == 0) continue;
      Request request;
      if (answer(accept4(asked, nullptr, nullptr, SOCK_CLOEXEC), request)) return request;
    }
  }

 private:
  bool answer(int client, Request& request) {
    const bool received = client >= 0 && receive(client, request);
    const bool mine = received && read_by_the_loader(request.variables.data()) == loaded_with_;
    const pid_t process = mine ? fork() : -1;
    if (process == 0) {
      become(request, signals_);
      return true;
    }
    if (received) {
      for (const int descriptor : request.descriptors) close(descriptor);
    }
    if (process > 0) {
      forks_.push_back({process, client});
    } else if (client >= 0) {
      end(client, attune_warm::kRefused);
    }
    return false;
  }

  /// Tells the clients of forks that have ended.
  void report() {
    int status = 0;
    for (pid_t process = 0; (process = waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto fork =
          std::find_if(forks_.begin(), forks_.end(), [&](const Fork& one) { return one.process == process; });
      if (fork == forks_.end()) continue;
      end(fork->client, status);
      forks_.erase(fork);
    }
  }

  static void end(int client, std::int32_t status) {
    send(client, &status, sizeof status, MSG_NOSIGNAL);
    close(client);
  }

  std::vector<Fork> forks_;
  sigset_t signals_{};
  const std::vector<std::string> loaded_with_ = read_by_the_loader(environ);
};

}  // namespace

/// In the place of the C library's function of this name, which calls main(): the loader's work is done by then.
extern "C" int __libc_start_main(Main main, int, char**, void (*init)(), void (*fini)(), void (*loader_end)(),
                                 void* stack) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  unsetenv("LD_PRELOAD");
  static Request request = Server().serve();
  environ = request.variables.data();
  return start(main, static_cast<int>(request.sizes.arguments), request.arguments.data(), init, fini,
               loader_end, stack);
}
