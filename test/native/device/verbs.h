#pragma once
#include <string>
#include <vector>

/// What the program does: each takes the words after its name and returns one JSON document.
namespace l2t::test {

using Words = std::vector<std::string>;

/// TARGET SIZE METHOD SOURCES PAIRS TYPE [SETTING=VALUE…]: TYPE: float32, float64, or bf16. Trains by every engine and
/// backend, on the CPU and on the fake device.
std::string train(const Words& words);
/// SIZE: crops, mirrors, resizes and normalises images, and reads batches.
std::string images(const Words& words);
/// TARGET SIZE SIDE: evaluates a network on images of that side.
std::string evaluate(const Words& words);
/// KIND: does what the fake device must notice.
std::string offend(const Words& words);

}  // namespace l2t::test
