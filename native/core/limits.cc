#include "native/core/limits.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <latch>
#include <system_error>
#include <thread>
#include <vector>

#include "native/core/error.h"

namespace l2t {
namespace {

/// The process's limit of a resource; RLIM_INFINITY where there is none.
template <class Resource>
rlim_t limit_of(Resource resource) {
  rlimit limit{};
  return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

std::string megabytes(size_t bytes) {
  const auto whole = (bytes + 999999) / 1000000;
  return std::to_string(whole) + " MB";
}

}  // namespace

void require_threads(int count) {
  std::latch over(1);
  std::vector<std::thread> started;
  started.reserve(static_cast<size_t>(count));
  bool refused = false;
  try {
    while (static_cast<int>(started.size()) < count) started.emplace_back([&over] { over.wait(); });
  } catch (const std::system_error&) {
    refused = true;
  }
  over.count_down();
  for (auto& thread : started) thread.join();
  if (refused) throw Error("OUT_OF_THREADS", out_of_threads());
}

bool address_space_is_limited() { return limit_of(RLIMIT_AS) != RLIM_INFINITY; }

void require_address_space(size_t bytes) {
  void* const room = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) throw Error("OUT_OF_MEMORY", out_of_memory(bytes));
  munmap(room, bytes);
}

std::string out_of_threads() {
  const auto limit = limit_of(RLIMIT_NPROC);
  const auto named = limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
  return "No more threads can be started: the limit of processes and threads is reached (ulimit -u is " + named +
         "; a container may have its own). Use fewer {threads}, end other programs, or raise the limit.";
}

std::string out_of_memory(size_t bytes) {
  const auto shortage = bytes == 0 ? "more than there is was wanted" : megabytes(bytes) + " more were wanted";
  const auto limit = limit_of(RLIMIT_AS);
  const auto named = limit == RLIM_INFINITY
                         ? std::string()
                         : ", and the process is limited to " + megabytes(limit) + " of address space (ulimit -v)";
  return "Out of memory: " + shortage + named + ". Use a smaller {batch}, {size} or {width}, or fewer {threads}.";
}

}  // namespace l2t
