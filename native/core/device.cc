#include "native/core/device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <torch/csrc/api/include/torch/version.h>

#include "native/core/error.h"

namespace l2t {
namespace {

/// Keeps LibTorch's warnings, which it would print.
class WarningCollector final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { text_ += warning.msg(); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// LibTorch looks for GPUs once a process. Only then does it warn of a driver that is too old; a missing one is no GPU.
std::string find_cuda_problem() {
  if (!c10::impl::hasDeviceGuardImpl(c10::kCUDA)) {
    return "the addon was built for LibTorch " TORCH_VERSION
           " without CUDA; for a GPU, set LIBTORCH to one with CUDA and run `npx l2t-native build`";
  }
  WarningCollector warnings;
  const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
  try {
    if (c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount() > 0) return "";
  } catch (const std::exception& error) {
    return error.what();
  }
  return "LibTorch " TORCH_VERSION " has CUDA, but no GPU is visible: is NVIDIA's driver installed? See nvidia-smi" +
         (warnings.text().empty() ? "" : ". LibTorch says: " + warnings.text());
}

}  // namespace

// Uses c10's device-neutral types, so one binary works with CPU and CUDA builds of LibTorch.
std::string cuda_problem() {
  static const std::string problem = find_cuda_problem();
  return problem;
}

DeviceChoice choose_device(const std::string& name) {
  if (name == "cpu") return {c10::kCPU, "asked for"};
  const bool any = name == "auto";
  if (!any && name != "cuda" && name.rfind("cuda:", 0) != 0) {
    throw Error("INVALID_OPTION", "Unknown {device} '" + name + "': use auto, cpu, cuda, or cuda:N.");
  }
  const auto problem = cuda_problem();
  if (any) {
    if (problem.empty()) return {c10::Device(c10::kCUDA, 0), "a CUDA GPU is available"};
    return {c10::kCPU, problem};
  }
  if (!problem.empty()) {
    throw Error("DEVICE_UNAVAILABLE", "Device '" + name + "' is not available: " + problem + ". Use {device=cpu}.");
  }
  const auto digits = name == "cuda" ? std::string("0") : name.substr(5);
  const auto count = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  const bool numeric =
      !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string::npos;
  if (!numeric || std::stoi(digits) >= count) {
    throw Error("DEVICE_UNAVAILABLE", "Device '" + name + "' does not exist: " + std::to_string(count) +
                                          " CUDA device(s) are visible, numbered from 0.");
  }
  return {c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(std::stoi(digits))), "asked for"};
}

}  // namespace l2t
