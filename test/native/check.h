#pragma once
/// doctest, whose CHECK notes a failure and goes on. LibTorch has a macro of that name, which ends the program: its
/// header is included here, so that none that follows brings it back.
#include <c10/util/Logging.h>
#include <doctest/doctest.h>
#undef CHECK
#define CHECK(...) DOCTEST_CHECK(__VA_ARGS__)
