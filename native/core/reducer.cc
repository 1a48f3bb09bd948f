#include "native/core/reducer.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace l2t {

Reducer::Share SharedBatch::share() const {
  const auto [begin, end] = reducer->share(labelled());
  return {begin * kinds, end * kinds};
}

at::Tensor SharedBatch::gather(const at::Tensor& rows) const {
  auto sizes = rows.sizes().vec();
  const auto numbers = rows.numel() / std::max<int64_t>(1, rows.size(0));
  const auto all = reducer->gather(rows.reshape({rows.size(0) / kinds, kinds * numbers}), labelled());
  sizes.front() = images;
  return all.view(sizes);
}

const Reducer& single_process() {
  static const Reducer reducer;
  return reducer;
}

void Reducer::count(const at::Tensor& values) const {
  ++traffic_.calls;
  traffic_.bytes += static_cast<int64_t>(values.nbytes());
}

void Reducer::in_place(const at::Tensor& values, void (Reducer::*call)(const at::Tensor&) const) const {
  if (single()) return;
  count(values);
  const auto contiguous = values.contiguous();
  (this->*call)(contiguous);
  if (!contiguous.is_same(values)) values.copy_(contiguous);
}

void Reducer::sum(const at::Tensor& values) const { in_place(values, &Reducer::all_reduce); }

void Reducer::sum(std::vector<std::vector<double>>& rows) const {
  if (single()) return;
  std::vector<double> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  sum(at::from_blob(flat.data(), {static_cast<int64_t>(flat.size())}, at::kDouble));
  auto next = flat.cbegin();
  for (auto& row : rows) {
    std::copy_n(next, row.size(), row.begin());
    next += static_cast<std::ptrdiff_t>(row.size());
  }
}

double Reducer::sum(double value) const {
  if (!single()) sum(at::from_blob(&value, {1}, at::kDouble));
  return value;
}

at::Tensor Reducer::gather(const at::Tensor& rows, int64_t count) const {
  if (single()) return rows;
  // c10d gathers equal shapes, so a shorter share is filled up.
  auto shape = rows.sizes().vec();
  shape[0] = (count + size_ - 1) / size_;
  auto filled = rows;
  if (rows.size(0) < shape[0]) {
    filled = at::zeros(shape, rows.options());
    filled.narrow(0, 0, rows.size(0)).copy_(rows);
  }
  this->count(filled);
  shape.insert(shape.begin(), size_);
  const auto all = at::empty(shape, rows.options().memory_format(at::MemoryFormat::Contiguous));
  all_gather(all, filled.contiguous());
  std::vector<at::Tensor> parts;
  for (int64_t rank = 0; rank < size_; ++rank) {
    parts.push_back(all[rank].narrow(0, 0, count * (rank + 1) / size_ - count * rank / size_));
  }
  return at::cat(parts);
}

void Reducer::broadcast(const at::Tensor& values) const { in_place(values, &Reducer::broadcast_from_first); }

}  // namespace l2t
