# Decides whether a run can use several processes (native/core/group_gloo.cc): where LibTorch has c10d with Gloo, and
# Gloo's headers are there. Gloo itself is in LibTorch, or loaded by it. Sets L2T_GROUPS.

unset(L2T_GLOO_HEADERS CACHE)
find_path(L2T_GLOO_HEADERS gloo/transport/device.h PATHS "${L2T_LIBTORCH}/include" /usr/include NO_DEFAULT_PATH)
set(L2T_GROUPS OFF)
if(L2T_GLOO_HEADERS AND EXISTS "${L2T_LIBTORCH}/include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp")
  set(L2T_GROUPS ON)
  message(STATUS "A run can use several processes: Gloo's headers are in ${L2T_GLOO_HEADERS}")
else()
  message(STATUS "A run can use one process only: no c10d with Gloo in ${L2T_LIBTORCH}, or no headers of Gloo")
endif()
