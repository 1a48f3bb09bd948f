#include "native/core/error.h"
#include "native/core/group.h"

#ifndef USE_C10D_GLOO

namespace l2t {

bool has_groups() { return false; }

std::shared_ptr<JoinedGroup> join_group(const GroupConfig& /*config*/) {
  throw Error(
      "DEVICE_UNAVAILABLE",
      "This build runs in one process only: its LibTorch has no c10d with Gloo, or Gloo's headers were not there "
      "when it was compiled. On Debian: apt-get install libgloo-dev, then l2t-native build.");
}

}  // namespace l2t

#else

#include <arpa/inet.h>
#include <c10/util/Logging.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "native/core/group_watch.h"

namespace l2t {
namespace {

using std::chrono::milliseconds;

/// A socket that listens on the loopback interface alone; -1: LibTorch listens on all. Of names, localhost alone is
/// taken for that interface: a host's own name may lead there, too, but other hosts know it as another address.
int listen_on_loopback(const std::string& host, int port) {
  in_addr address{};
  if (inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host.c_str(), &address) != 1 ||
      (ntohl(address.s_addr) >> 24) != 127)
    return -1;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return -1;
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = address;
  name.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 && listen(listener, 128) == 0) {
    return listener;
  }
  close(listener);
  throw Error("GROUP_FAILED", "Rank 0 cannot listen on " + host + ":" + std::to_string(port) +
                                  ": another program uses that port. Give another one.");
}

/// c10d logs each attempt, with a stack. The errors here say what failed, and which rank is to blame.
void silence_log() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = 3;  // fatal
}

c10::intrusive_ptr<c10d::TCPStore> connect(const GroupConfig& config, bool server) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(config.port);
  options.isServer = server;
  options.waitWorkers = false;
  options.timeout = milliseconds(static_cast<int64_t>(config.timeout * 1000));
  options.useLibUV = false;
  if (server) {
    if (const int listener = listen_on_loopback(config.host, config.port); listener >= 0) {
      options.masterListenFd = listener;
    }
  }
  try {
    return c10::make_intrusive<c10d::TCPStore>(config.host, options);
  } catch (const std::exception& problem) {
    const auto where = config.host + ":" + std::to_string(config.port);
    const std::string text = problem.what();
    throw Error("GROUP_FAILED", (server ? "Rank 0 cannot listen on " + where : "Rank 0 does not answer at " + where) +
                                    " (" + text.substr(0, text.find('\n')) + ").");
  }
}

/// This host's address on the way to rank 0.
std::string own_address(const GroupConfig& config) {
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  if (getaddrinfo(config.host.c_str(), std::to_string(config.port).c_str(), &hints, &found) != 0) return config.host;
  std::string address = config.host;
  const int probe = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  char text[NI_MAXHOST];
  // Connecting a datagram socket sends nothing: it only chooses the interface.
  if (probe >= 0 && ::connect(probe, found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(probe, reinterpret_cast<sockaddr*>(&name), &length) == 0 &&
      getnameinfo(reinterpret_cast<sockaddr*>(&name), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
    address = text;
  }
  if (probe >= 0) close(probe);
  freeaddrinfo(found);
  return address;
}

/// Torch's own variable GLOO_SOCKET_IFNAME names the interface where the way to rank 0 is not the one to the others.
std::shared_ptr<gloo::transport::Device> own_device(const GroupConfig& config) {
  if (const char* const interface = std::getenv("GLOO_SOCKET_IFNAME"); interface != nullptr && *interface != '\0') {
    try {
      return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
    } catch (const std::exception&) {
      throw Error("GROUP_FAILED",
                  std::string("This host has no network interface ") + interface + ", which GLOO_SOCKET_IFNAME names.");
    }
  }
  return c10d::ProcessGroupGloo::createDeviceForHostname(own_address(config));
}

class GlooGroup final : public JoinedGroup {
 public:
  /// `store` and `beats`: two connections to rank 0's store.
  GlooGroup(const GroupConfig& config, c10::intrusive_ptr<c10d::TCPStore> store,
            c10::intrusive_ptr<c10d::TCPStore> beats)
      : JoinedGroup(config.rank, config.size), watch_(config, std::move(store), std::move(beats)) {
    watch_.wait_for_all();
    auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(static_cast<int64_t>(config.timeout * 1000)));
    options->devices.push_back(own_device(config));
    guarded([&] {
      gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(watch_.store(), config.rank, config.size, options);
    });
  }

  std::vector<std::string> exchange(const std::string& text) const override {
    const auto lengths = at::zeros({size()}, at::kLong);
    lengths[rank()].fill_(static_cast<int64_t>(text.size()));
    sum(lengths);
    const auto* length = lengths.const_data_ptr<int64_t>();
    const auto longest = std::max<int64_t>(1, *std::max_element(length, length + size()));
    const auto row = at::zeros({1, longest}, at::kByte);
    std::copy(text.begin(), text.end(), row.mutable_data_ptr<uint8_t>());
    const auto all = gather(row, size());
    std::vector<std::string> texts;
    for (int64_t rank = 0; rank < size(); ++rank) {
      const auto* begin = all.const_data_ptr<uint8_t>() + rank * longest;
      texts.emplace_back(begin, begin + length[rank]);
    }
    return texts;
  }

  void fail(const std::string& reason) override { watch_.fail(reason); }

 protected:
  void all_reduce(const at::Tensor& values) const override {
    guarded([&] {
      std::vector<at::Tensor> tensors{values.cpu()};
      gloo_->allreduce(tensors)->wait();
      take(values, tensors.front());
    });
  }
  void broadcast_from_first(const at::Tensor& values) const override {
    guarded([&] {
      std::vector<at::Tensor> tensors{values.cpu()};
      gloo_->broadcast(tensors)->wait();
      take(values, tensors.front());
    });
  }
  void all_gather(const at::Tensor& all, const at::Tensor& values) const override {
    guarded([&] {
      const auto host = all.is_cpu() ? all : at::empty_like(all, all.options().device(at::kCPU));
      std::vector<std::vector<at::Tensor> > outputs{host.unbind()};
      std::vector<at::Tensor> inputs{values.cpu()};
      gloo_->allgather(outputs, inputs)->wait();
      take(all, host);
    });
  }

 private:
  /// Gloo computes on the CPU, so tensors of a GPU go there and back.
  static void take(const at::Tensor& values, const at::Tensor& host) {
    if (!host.is_same(values)) values.copy_(host);
  }

  /// Runs a call of c10d; where it fails, finds the rank that is to blame.
  template <class Call>
  void guarded(const Call& call) const {
    try {
      call();
      watch_.mark_call();
    } catch (const std::exception& problem) {
      throw Error("GROUP_FAILED", watch_.blame(problem.what()));
    }
  }

  mutable GroupWatch watch_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

bool has_groups() { return true; }

std::shared_ptr<JoinedGroup> join_group(const GroupConfig& config) {
  silence_log();
  auto store = connect(config, /*server=*/config.rank == 0);
  return std::make_shared<GlooGroup>(config, std::move(store), connect(config, /*server=*/false));
}

}  // namespace l2t

#endif
