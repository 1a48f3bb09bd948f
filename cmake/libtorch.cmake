# Finds LibTorch by hand: find_package(Torch) on a CUDA build stops without a matching toolkit, or links a newer
# toolkit's cudart into it. Sets L2T_TORCH, L2T_TORCH_CPU, L2T_C10, L2T_TORCH_LIB_DIR, L2T_TORCH_INCLUDES, L2T_OPENMP.

# Without this, a cached result would stay after a change of L2T_LIBTORCH.
foreach(name torch torch_cpu c10)
  string(TOUPPER "L2T_${name}" variable)
  unset(${variable} CACHE)
  find_library(${variable} ${name} PATHS "${L2T_LIBTORCH}" PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE} lib64
    NO_DEFAULT_PATH)
  if(NOT ${variable})
    message(FATAL_ERROR "No lib${name}.so below ${L2T_LIBTORCH}: give a LibTorch folder with --libtorch or LIBTORCH.")
  endif()
endforeach()
get_filename_component(L2T_TORCH_LIB_DIR "${L2T_TORCH}" DIRECTORY)

set(L2T_TORCH_INCLUDES "${L2T_LIBTORCH}/include" "${L2T_LIBTORCH}/include/torch/csrc/api/include")
set(version_header "${L2T_LIBTORCH}/include/torch/csrc/api/include/torch/version.h")
if(NOT EXISTS "${version_header}")
  message(FATAL_ERROR "LibTorch in ${L2T_LIBTORCH} has no headers (${version_header} is missing).")
endif()
set(version_lines "^#define TORCH_VERSION_M(AJOR|INOR) ")
file(STRINGS "${version_header}" version_line REGEX "${version_lines}")
if(NOT version_line)
  # Newer versions define it there.
  file(STRINGS "${L2T_LIBTORCH}/include/torch/headeronly/version.h" version_line REGEX "${version_lines}")
endif()
string(REGEX REPLACE "^.*MAJOR ([0-9]+).*MINOR ([0-9]+).*$" "\\1.\\2" L2T_TORCH_VERSION "${version_line}")
if(L2T_TORCH_VERSION VERSION_LESS 2.6)
  message(FATAL_ERROR "LibTorch in ${L2T_LIBTORCH} is ${L2T_TORCH_VERSION}; 2.6 or newer is needed.")
endif()

find_file(torch_config TorchConfig.cmake PATHS "${L2T_LIBTORCH}/share/cmake/Torch" "${L2T_TORCH_LIB_DIR}/cmake/Torch"
  NO_DEFAULT_PATH NO_CACHE)
if(torch_config)
  file(STRINGS "${torch_config}" abi_line REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(abi_line)
    message(FATAL_ERROR "LibTorch in ${L2T_LIBTORCH} is a pre-C++11-ABI build: take the cxx11-abi archive.")
  endif()
endif()

# Official builds bring their own libgomp; a second libgomp would start a second set of threads.
file(GLOB bundled_openmp "${L2T_TORCH_LIB_DIR}/libgomp-*.so*")
if(bundled_openmp)
  list(GET bundled_openmp 0 L2T_OPENMP)
else()
  set(L2T_OPENMP ${OpenMP_CXX_LIBRARIES})
endif()
message(STATUS "LibTorch ${L2T_TORCH_VERSION} in ${L2T_LIBTORCH}")
