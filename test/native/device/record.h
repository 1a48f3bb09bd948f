#pragma once
#include <string>

#include "test/native/device/counts.h"

namespace l2t::test {

/// Checks that counts exceed those of a name in bench/operations.json by no more than is allowed, and that no memory
/// was taken elsewhere. With L2T_RECORD=1 in the environment the file is written anew instead.
void check_counts(const std::string& name, const Counts& counts);

}  // namespace l2t::test
