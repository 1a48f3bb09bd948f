#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>

namespace l2t {

/// Makes one stream wait for what the other has been given so far.
void order(const c10::Stream& before, const c10::Stream& after);

/// Copies between the host and a device on a stream of its own, so that the device computes meanwhile. On a CPU there
/// are no streams.
class SideStream {
 public:
  explicit SideStream(c10::Device device);

  /// A host tensor's values on the device. The current stream waits for them. The host does not, if the tensor is in
  /// pinned memory. On a CPU: the tensor itself.
  [[nodiscard]] at::Tensor upload(const at::Tensor& host) const;

  /// A copy on its way to the host.
  struct Download {
    at::Tensor host;
    std::optional<c10::Event> copied;

    /// Waits for the copy.
    [[nodiscard]] const at::Tensor& wait() const;
  };

  /// Begins to copy values, once the current stream has computed them.
  [[nodiscard]] Download download(const at::Tensor& values) const;

 private:
  c10::Device device_;
  std::optional<c10::Stream> stream_;
};

/// Options of a host tensor that will be uploaded: a GPU copies from pinned memory without the host.
at::TensorOptions upload_options(c10::Device device, at::ScalarType type);

}  // namespace l2t
