# The same addon as CMakeLists.txt builds, for machines without CMake: `npm run build:gyp`. It stands here and not at
# the package's root, where npm would run it at every install. setup/build-gyp.mjs runs it and gives LibTorch's folders.
{
  'variables': {
    'libtorch%': '/usr',
    'libtorch_lib%': '/usr/lib/x86_64-linux-gnu',
    'openmp_libraries%': '-lgomp',
    'groups%': 0,
  },
  'targets': [
    {
      'target_name': 'l2t_native',
      'sources': ['<!@(node ../setup/sources.mjs)'],
      'include_dirs': [
        '..',
        '<!(node -p "require(\'node-api-headers\').include_dir")',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
        '<(libtorch)/include/torch/csrc/api/include',
      ],
      'defines': [
        'AT_PER_OPERATOR_HEADERS',
        'NAPI_VERSION=8',
        'NODE_ADDON_API_CPP_EXCEPTIONS',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
        '_GLIBCXX_USE_CXX11_ABI=1',
      ],
      'cflags': ['-fopenmp', '-fvisibility=hidden', '-Wall', '-Wextra'],
      'cflags_cc': ['-std=c++20'],
      # Node's own flags, which node-gyp run by hand brings in, turn both off; LibTorch needs both.
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti'],
      'libraries': [
        '-Wl,--no-as-needed',
        '-L<(libtorch_lib)',
        '-ltorch',
        '-ltorch_cpu',
        '-lc10',
        '<(openmp_libraries)',
      ],
      'conditions': [
        ['groups==1', { 'defines': ['USE_C10D_GLOO'] }],
        # Never /usr/include itself: the compiler must find the C++ library's wrappers before it.
        ['libtorch!="/usr"', {
          'include_dirs': ['<(libtorch)/include'],
          'ldflags': ['-Wl,-rpath,<(libtorch_lib)'],
        }],
      ],
    },
    {
      'target_name': 'l2t_environment',
      'sources': ['environment/environment.cc'],
      'include_dirs': ['<!(node -p "require(\'node-api-headers\').include_dir")'],
      'defines': ['NAPI_VERSION=8'],
    },
  ],
}
