/// Functions that Node lacks: variables of the process's own environment, and the kernel's locks on files. In a worker
/// thread JavaScript's process.env is a copy, which the addon's libraries never see. So this module is loaded before
/// the addon, and depends on no other library.
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

std::string text_of(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return {};
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

/// The arguments of a call; nullptr stands for those that are missing.
template <size_t count>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    size_t given = count;
    napi_get_cb_info(env, info, &given, values, nullptr, nullptr);
  }
  napi_value values[count] = {};
};

napi_value number(napi_env env, int value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

/// setDefault(name, value): does nothing where the variable is set already.
napi_value set_default(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments{env, info};
  const auto name = text_of(env, arguments.values[0]);
  if (!name.empty()) setenv(name.c_str(), text_of(env, arguments.values[1]).c_str(), 0);
  return nullptr;
}

/// The lock of a whole file. Its owner is the open file description: the kernel releases it when the last descriptor is
/// closed, also where the process is killed, and it excludes other runs of the same process.
struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

void close_file(void* descriptor) { close(static_cast<int>(reinterpret_cast<intptr_t>(descriptor))); }

/// A hook's data is the number itself: nothing is freed. NOLINTNEXTLINE(performance-no-int-to-ptr)
void* as_data(int descriptor) { return reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)); }

/// lock(path): the descriptor that holds the lock, or the negative error number; EAGAIN where another holds it. The
/// file is created where it is missing. The lock ends with the thread, the main one or a worker, that took it.
napi_value lock(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments{env, info};
  const int descriptor = open(text_of(env, arguments.values[0]).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return number(env, -errno);
  auto whole = whole_file();
  if (fcntl(descriptor, F_OFD_SETLK, &whole) < 0) {
    const int error = errno == EACCES ? EAGAIN : errno;
    close(descriptor);
    return number(env, -error);
  }
  napi_add_env_cleanup_hook(env, close_file, as_data(descriptor));
  return number(env, descriptor);
}

/// unlock(descriptor)
napi_value unlock(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments{env, info};
  int descriptor = -1;
  if (napi_get_value_int32(env, arguments.values[0], &descriptor) != napi_ok || descriptor < 0) return nullptr;
  napi_remove_env_cleanup_hook(env, close_file, as_data(descriptor));
  close(descriptor);
  return nullptr;
}

/// isLocked(path): 1 where somebody holds the lock, 0 where nobody does, or the negative error number. It creates no
/// file.
napi_value is_locked(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments{env, info};
  const int descriptor = open(text_of(env, arguments.values[0]).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return number(env, -errno);
  auto found = whole_file();
  const int result = fcntl(descriptor, F_OFD_GETLK, &found) < 0 ? -errno : static_cast<int>(found.l_type != F_UNLCK);
  close(descriptor);
  return number(env, result);
}

void add(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok) {
    napi_set_named_property(env, exports, name, function);
  }
}

}  // namespace

NAPI_MODULE_INIT() {
  add(env, exports, "setDefault", set_default);
  add(env, exports, "lock", lock);
  add(env, exports, "unlock", unlock);
  add(env, exports, "isLocked", is_locked);
  return exports;
}
