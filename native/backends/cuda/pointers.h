#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

/// From tensors to the pointers of a body.
namespace l2t::backends::cuda {

/// Calls f with a value of the tensors' type.
template <class F>
void by_type(at::ScalarType type, const F& f) {
  if (type == at::kDouble) {
    f(double());
  } else {
    f(float());
  }
}

/// Null for an undefined tensor.
template <class T>
const T* read(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}
template <class T>
T* write(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

inline at::Tensor doubles(const at::Tensor& like, int64_t count) {
  return at::empty({count}, like.options().dtype(at::kDouble).memory_format({}));
}

/// A body's own structs in device memory, as doubles.
template <class Body>
at::Tensor structs(const at::Tensor& like, int64_t count) {
  static_assert(sizeof(Body) % sizeof(float) == 0);
  return doubles(like, (count * static_cast<int64_t>(sizeof(Body)) + 7) / 8);
}
template <class Body>
Body* as(const at::Tensor& memory) {
  return reinterpret_cast<Body*>(memory.data_ptr<double>());
}

}  // namespace l2t::backends::cuda
