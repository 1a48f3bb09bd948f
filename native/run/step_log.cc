#include "native/run/step_log.h"

#include <ATen/ops/empty.h>

#include <utility>

namespace l2t::run {
namespace {

/// Steps between two reads on a GPU: seldom enough that the host does not slow it down, and often enough that progress
/// looks steady.
constexpr size_t kInterval = 16;

}  // namespace

StepLog::StepLog(c10::Device device, Read read)
    : stream_(device),
      length_(device.is_cpu() ? 1 : kInterval),
      behind_(device.is_cpu() ? 0 : 1),
      read_(std::move(read)) {}

void StepLog::add(const LoggedStep& step, const at::Tensor& row) {
  if (!rows_.defined()) rows_ = at::empty({static_cast<int64_t>(length_), row.size(0)}, row.options());
  rows_[static_cast<int64_t>(steps_.size())].copy_(row);
  steps_.push_back(step);
  if (steps_.size() < length_) return;
  send();
  while (sent_.size() > behind_) receive();
}

void StepLog::flush() {
  if (!steps_.empty()) send();
  while (!sent_.empty()) receive();
}

void StepLog::send() {
  auto rows = stream_.download(rows_);
  sent_.push_back({std::exchange(steps_, {}), std::move(rows)});
  rows_.reset();
}

void StepLog::receive() {
  const auto interval = std::move(sent_.front());
  sent_.pop_front();
  const auto& rows = interval.rows.wait();
  for (size_t i = 0; i < interval.steps.size(); ++i) read_(interval.steps[i], rows[static_cast<int64_t>(i)]);
}

}  // namespace l2t::run
