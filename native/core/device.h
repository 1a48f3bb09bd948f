#pragma once
#include <c10/core/Device.h>

#include <string>

namespace l2t {

struct DeviceChoice {
  c10::Device device;
  std::string reason;
};

/// Why CUDA cannot be used; empty where it can.
std::string cuda_problem();

/// The device named 'cpu', 'cuda', 'cuda:N', or 'auto' (CUDA where it works, else the CPU; `reason` says why).
/// Throws INVALID_OPTION for any other name, and DEVICE_UNAVAILABLE, with the reason, where that device does not exist.
DeviceChoice choose_device(const std::string& name);

}  // namespace l2t
