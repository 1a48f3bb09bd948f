# Compiles .cu files by nvcc. A newer toolkit knows newer cards, and no longer the oldest ones. The last architecture's
# PTX goes in, too: the driver of a card that came later compiles it.
if(L2T_CUDA_RELEASE VERSION_LESS 12.8)
  set(default_architectures 70 75 80 86 89 90)
elseif(L2T_CUDA_RELEASE VERSION_LESS 13)
  set(default_architectures 70 75 80 86 89 90 100 120)
else()
  set(default_architectures 75 80 86 89 90 100 120)
endif()
set(L2T_CUDA_ARCHITECTURES "${default_architectures}" CACHE STRING "Compute capabilities to compile for, as 80;90")

# nvcc knows its toolkit's headers. It is not told of /usr/include: the compiler must find the C++ library's wrappers
# before it.
set(include_flags -I "${CMAKE_CURRENT_SOURCE_DIR}")
foreach(folder ${L2T_TORCH_INCLUDES} ${L2T_CUDA_INCLUDES})
  if(NOT folder STREQUAL "/usr/include" AND NOT folder STREQUAL L2T_CUDART_HEADERS)
    list(APPEND include_flags -isystem "${folder}")
  endif()
endforeach()
set(architecture_flags "")
foreach(architecture ${L2T_CUDA_ARCHITECTURES})
  list(APPEND architecture_flags -gencode "arch=compute_${architecture},code=sm_${architecture}")
endforeach()
list(GET L2T_CUDA_ARCHITECTURES -1 last)
list(APPEND architecture_flags -gencode "arch=compute_${last},code=compute_${last}")

# Sets `objects` to what the .cu files of `sources` become.
function(l2t_compile_kernels objects sources)
  # A .cu file may include any header of ours, so a change of one compiles all again.
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS native/*.h native/*.cuh)
  set(made "")
  foreach(source ${sources})
    get_filename_component(name "${source}" NAME)
    set(object "${CMAKE_BINARY_DIR}/kernels/${name}.o")
    add_custom_command(OUTPUT "${object}" DEPENDS "${source}" ${headers} VERBATIM
      COMMENT "Compiling ${name} by nvcc"
      COMMAND ${L2T_NVCC} -std=c++20 -O3 -ccbin "${CMAKE_CXX_COMPILER}" --expt-relaxed-constexpr
        -Xcompiler=-fPIC,-fvisibility=hidden,-Wall ${architecture_flags} ${include_flags}
        -DAT_PER_OPERATOR_HEADERS -D_GLIBCXX_USE_CXX11_ABI=1 -c "${source}" -o "${object}")
    list(APPEND made "${object}")
  endforeach()
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/kernels")
  set_source_files_properties(${made} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set(${objects} ${made} PARENT_SCOPE)
endfunction()
