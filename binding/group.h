#pragma once
#include <napi.h>

#include <memory>

#include "native/core/group.h"

namespace l2t::binding {

/// class Group of src/native/contract/job.ts: this process's membership in a group.
class GroupMember : public Napi::ObjectWrap<GroupMember> {
 public:
  static Napi::Function constructor(Napi::Env env);
  explicit GroupMember(const Napi::CallbackInfo& info);

 private:
  Napi::Value join(const Napi::CallbackInfo& info);
  Napi::Value joined(const Napi::CallbackInfo& info);
  Napi::Value exchange(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);

  /// Shared with the threads that join and exchange.
  struct Membership;
  std::shared_ptr<Membership> membership_;
};

}  // namespace l2t::binding
