#include "binding/group.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "binding/marshal.h"
#include "binding/worker.h"
#include "native/core/error.h"

namespace l2t::binding {

struct GroupMember::Membership {
  explicit Membership(GroupConfig group_config) : config(std::move(group_config)) {}

  /// Throws GROUP_FAILED before join() and after leave().
  std::shared_ptr<JoinedGroup> joined() {
    const std::scoped_lock lock(mutex);
    if (group) return group;
    throw Error("GROUP_FAILED", "This process has not joined the group, or has left it.");
  }

  GroupConfig config;
  std::mutex mutex;
  std::shared_ptr<JoinedGroup> group;  // between join() and leave()
  std::optional<std::string> left;     // leave() came while join() waited, for this reason
};

Napi::Function GroupMember::constructor(Napi::Env env) {
  // `joined` is for jobs, which take it as their member `reducer`.
  return DefineClass(
      env, "Group",
      {InstanceMethod<&GroupMember::join>("join"), InstanceMethod<&GroupMember::joined>("joined"),
       InstanceMethod<&GroupMember::exchange>("exchange"), InstanceMethod<&GroupMember::leave>("leave")});
}

GroupMember::GroupMember(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GroupMember>(info) {
  guarded(info.Env(), [&] {
    auto config = read_job<GroupConfig>(info[0]);
    if (config.rank >= config.size) throw Error("INVALID_OPTION", "rank must be below size.");
    membership_ = std::make_shared<Membership>(std::move(config));
  });
}

Napi::Value GroupMember::join(const Napi::CallbackInfo& info) {
  return Worker::start(info.Env(), std::make_shared<Worker>(), {}, [membership = membership_]() -> MakeValue {
    auto group = join_group(membership->config);
    const std::scoped_lock lock(membership->mutex);
    if (membership->left) {
      if (!membership->left->empty()) group->fail(*membership->left);
      throw Error("GROUP_FAILED", "This process left the group before all had joined.");
    }
    membership->group = std::move(group);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value GroupMember::joined(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::External<std::shared_ptr<const Reducer>>::New(
        info.Env(), new std::shared_ptr<const Reducer>(membership_->joined()),
        [](Napi::Env /*env*/, std::shared_ptr<const Reducer>* reducer) { delete reducer; });
  });
}

Napi::Value GroupMember::exchange(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto text = argument<std::string>(info[0], "text");
    return in_background(info.Env(), [membership = membership_, text] { return membership->joined()->exchange(text); });
  });
}

Napi::Value GroupMember::leave(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::scoped_lock lock(membership_->mutex);
    const std::string reason = info[0].IsString() ? info[0].As<Napi::String>() : std::string();
    if (membership_->group && !reason.empty()) membership_->group->fail(reason);
    if (!membership_->group) membership_->left = reason;
    membership_->group.reset();
    return info.Env().Undefined();
  });
}

void read(const Napi::Value& value, const Location& location, std::shared_ptr<const Reducer>& member) {
  if (value.IsUndefined()) return;
  const auto joined = value.IsObject() ? value.As<Napi::Object>().Get("joined") : value.Env().Undefined();
  if (!joined.IsFunction()) location.refuse("a Group");
  const auto external = joined.As<Napi::Function>().Call(value, {});
  if (!external.IsExternal()) location.refuse("a Group");
  // Moved out, since the External lives until it is collected, and the group ends with its last owner.
  member = std::move(*external.As<Napi::External<std::shared_ptr<const Reducer>>>().Data());
}

}  // namespace l2t::binding
