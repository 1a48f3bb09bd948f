// Runs parts of the product on a device whose memory the host cannot touch (fake_device.h), and compares with the CPU.
// `device VERB WORD…` prints one JSON document (verbs.h).
#include <c10/util/Exception.h>

#include <cstdio>
#include <map>

#include "native/core/error.h"
#include "native/core/threads.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/verbs.h"

namespace {

std::string run(const l2t::test::Words& words) {
  using namespace l2t::test;
  const std::map<std::string, std::string (*)(const Words&)> verbs{
      {"train", train}, {"images", images}, {"evaluate", evaluate}, {"offend", offend}};
  const auto verb = words.empty() ? verbs.end() : verbs.find(words.front());
  if (verb == verbs.end()) throw l2t::Error("INVALID_OPTION", "VERB: train, images, evaluate or offend");
  return verb->second({words.begin() + 1, words.end()});
}

}  // namespace

int main(int count, char** words) {
  l2t::set_threads(1);
  l2t::test::register_fake_device();
  try {
    std::printf("%s\n", run({words + 1, words + count}).c_str());
    return 0;
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "%s\n", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 1;
}
