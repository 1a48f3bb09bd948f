#pragma once

namespace l2t::backends::cpu {

/// The machine's best speed, to compare a program's times with: all threads at once, the best of several tries.
struct MachineSpeed {
  double gemm_gflops;    // float32 products of 1024 × 1024 matrices, one for each thread
  double bandwidth_gbs;  // a ← b + s c on arrays of 128 MiB: bytes read and written

  static void fields(auto& self, auto&& visit) {
    visit("gemmGflops", self.gemm_gflops);
    visit("bandwidthGBs", self.bandwidth_gbs);
  }
};

MachineSpeed measure_machine();

}  // namespace l2t::backends::cpu
