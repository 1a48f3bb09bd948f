#include "binding/bench.h"
#include "binding/javascript_tasks.h"
#include "binding/marshal.h"
#include "binding/network.h"
#include "binding/networks.h"
#include "native/backends/cpu/machine.h"
#include "native/core/group.h"
#include "native/core/memory.h"
#include "native/run/events.h"
#include "native/terms/methods.h"
#include "test/native/observe/functions.h"

namespace l2t::binding {
namespace {

/// The names of a struct's fields.
template <class T>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  if constexpr (requires { T::kType; }) names.emplace_back("type");
  T value{};
  T::fields(value, [&](const char* key, auto&&... /*rest*/) {
    if (*key != '\0') names.emplace_back(key);
  });
  return names;
}

/// The names of an enumeration's values.
template <HasNames E>
std::vector<std::string> value_names() {
  const auto names = names_of(E());
  return {names.begin(), names.end()};
}

/// The names of all kinds of operations.
template <class... Kinds>
std::vector<std::string> kinds_of(const std::variant<Kinds...>* /*unused*/) {
  return {Kinds::kKind...};
}

}  // namespace

Napi::Value declarations(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto structs = Napi::Object::New(env);
  const auto add = [&]<class T>(const char* name) { structs.Set(name, write(env, field_names<T>())); };
  add.operator()<nets::NetworkSpec>("NetworkSpec");
  add.operator()<nets::MapSpec>("MapShape");
  add.operator()<MapsEvent>("MapsEvent");
  add.operator()<NetworkDescription>("NetworkDescription");
  add.operator()<OperationDescription>("OperationDescription");
  add.operator()<data::Normalisation>("Normalisation");
  add.operator()<run::SourceConfig>("NativeSource");
  add.operator()<run::RunSpec>("NativeSpec");
  add.operator()<run::RunMaterials>("RunMaterials");
  add.operator()<run::StepEvent>("StepEvent");
  add.operator()<run::PairMetrics>("PairMetrics");
  add.operator()<run::EpochMetrics>("EpochMetrics");
  add.operator()<run::GpuMemory>("GpuMemory");
  add.operator()<run::EpochEvent>("EpochEvent");
  add.operator()<run::SaveEvent>("SaveEvent");
  add.operator()<DecodeEvent>("DecodeEvent");
  add.operator()<run::Evaluation>("Evaluation");
  add.operator()<run::TrainerResult>("TrainerResult");
  add.operator()<ImportanceJob>("ImportanceJob");
  add.operator()<NetworkJob>("NetworkJob");
  add.operator()<BenchJob>("BenchJob");
  add.operator()<GraphTiming>("GraphTiming");
  add.operator()<GroupConfig>("GroupConfig");
  add.operator()<backends::cpu::MachineSpeed>("MachineSpeed");
  add.operator()<MemoryUse>("MemoryUse");
  add.operator()<backends::Versions>("CudaVersions");
  add.operator()<backends::Gpus>("CudaDescription");
  add.operator()<backends::GpuDescription>("GpuDescription");
  add.operator()<backends::DeviceMemory>("CudaMemory");
  auto result = Napi::Object::New(env);
  result.Set("methods", write(env, terms::methods()));
  result.Set("operations", write(env, kinds_of(static_cast<const nets::OperationKind*>(nullptr))));
  result.Set("structs", structs);
  auto choices = Napi::Object::New(env);
  choices.Set("engine", write(env, value_names<run::EngineKind>()));
  choices.Set("convolution", write(env, value_names<backends::Convolution>()));
  choices.Set("precision", write(env, value_names<backends::Precision>()));
  choices.Set("lambdaInit", write(env, value_names<transfer::LambdaInit>()));
  choices.Set("metaBatch", write(env, value_names<run::MetaBatch>()));
  choices.Set("augment", write(env, value_names<data::Augment>()));
  choices.Set("batchNorm", write(env, value_names<run::NormScope>()));
  result.Set("choices", choices);
  return result;
}

}  // namespace l2t::binding
