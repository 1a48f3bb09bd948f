// The test program: `l2t_tests -tc='conv2d*'` runs the test cases of a name, `-ts=kernels` those of a suite, and
// `--help` says more.
#include <c10/util/Exception.h>

#include "native/core/threads.h"
#include "test/native/check.h"
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

REGISTER_EXCEPTION_TRANSLATOR(const c10::Error& error) { return error.what_without_backtrace(); }

int main(int count, char** words) {
  l2t::set_threads(1);
  return doctest::Context(count, words).run();
}
