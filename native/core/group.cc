#include "native/core/group.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "native/core/error.h"

namespace l2t {

const Group& alone() {
  static const Group group;
  return group;
}

void Group::count(const at::Tensor& values) const {
  ++traffic_.calls;
  traffic_.bytes += static_cast<int64_t>(values.nbytes());
}

void Group::in_place(const at::Tensor& values, void (Group::*call)(const at::Tensor&) const) const {
  if (alone()) return;
  count(values);
  const auto contiguous = values.contiguous();
  (this->*call)(contiguous);
  if (!contiguous.is_same(values)) values.copy_(contiguous);
}

void Group::sum(const at::Tensor& values) const { in_place(values, &Group::all_reduce); }

void Group::sum(std::vector<std::vector<double>>& rows) const {
  if (alone()) return;
  std::vector<double> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  sum(at::from_blob(flat.data(), {static_cast<int64_t>(flat.size())}, at::kDouble));
  auto next = flat.cbegin();
  for (auto& row : rows) {
    std::copy_n(next, row.size(), row.begin());
    next += static_cast<std::ptrdiff_t>(row.size());
  }
}

double Group::sum(double value) const {
  if (!alone()) sum(at::from_blob(&value, {1}, at::kDouble));
  return value;
}

at::Tensor Group::gather(const at::Tensor& rows, int64_t count) const {
  if (alone()) return rows;
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

void Group::broadcast(const at::Tensor& values) const { in_place(values, &Group::broadcast_from_first); }

std::vector<std::string> Group::exchange(const std::string& text) const {
  if (alone()) return {text};
  const auto lengths = at::zeros({size_}, at::kLong);
  lengths[rank_].fill_(static_cast<int64_t>(text.size()));
  sum(lengths);
  const auto* length = lengths.const_data_ptr<int64_t>();
  const auto longest = std::max<int64_t>(1, *std::max_element(length, length + size_));
  const auto own = at::zeros({longest}, at::kByte);
  std::copy(text.begin(), text.end(), own.mutable_data_ptr<uint8_t>());
  const auto all = at::empty({size_, longest}, at::kByte);
  count(own);
  all_gather(all, own);
  std::vector<std::string> texts;
  for (int64_t rank = 0; rank < size_; ++rank) {
    const auto* begin = all.const_data_ptr<uint8_t>() + rank * longest;
    texts.emplace_back(begin, begin + length[rank]);
  }
  return texts;
}

}  // namespace l2t
