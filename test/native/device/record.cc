#include "test/native/device/record.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <map>
#include <sstream>
#include <utility>

#include "test/native/check.h"

namespace l2t::test {
namespace {

constexpr std::array kKinds{"operations", "copies", "uploads", "downloads", "waits"};
/// By which factor a count may exceed the recorded one. No more round trips or waits are allowed.
constexpr std::array kAllowed{1.1, 1.1, 1.0, 1.0, 1.0};

using Row = std::array<int64_t, kKinds.size()>;
using Record = std::map<std::string, Row>;

bool recording() { return std::getenv("L2T_RECORD") != nullptr; }

/// Found from the root of the repository, where npm and vitest start the program.
constexpr const char* kFile = "bench/operations.json";

/// Reads what `write` writes: a line for each name.
Record read() {
  std::ifstream file(kFile);
  REQUIRE_MESSAGE(file.is_open(), kFile, " is not here: start the program in the root of the repository.");
  Record record;
  for (std::string line; std::getline(file, line);) {
    std::istringstream text(line);
    std::string name;
    char mark = 0;
    text >> std::quoted(name) >> mark >> mark;
    Row row{};
    for (auto& count : row) text >> count >> mark;
    if (text) record[name] = row;
  }
  return record;
}

std::string json(const auto& values) {
  std::ostringstream text;
  for (const auto& value : values) text << (text.tellp() == 0 ? "[" : ", ") << value;
  return text.str() + "]";
}

void write(const Record& record) {
  std::array<std::string, kKinds.size()> kinds;
  for (size_t k = 0; k < kinds.size(); ++k) kinds[k] = '"' + std::string(kKinds[k]) + '"';
  std::ofstream file(kFile);
  file << "{\n  \"kinds\": " << json(kinds) << ",\n  \"counts\": {";
  const char* before = "\n";
  for (const auto& [name, row] : record) {
    file << std::exchange(before, ",\n") << "    " << std::quoted(name) << ": " << json(row);
  }
  file << "\n  }\n}\n";
}

const Record& recorded() {
  static const auto record = read();
  return record;
}

/// A sentence for each count that is too high.
std::string excess(const std::string& name, const Row& row, const Record& record) {
  const std::string advice = ". If that must be so, record it: L2T_RECORD=1 build/test/l2t_device_tests\n";
  const auto found = record.find(name);
  if (found == record.end()) return name + " is not in " + kFile + advice;
  std::ostringstream text;
  for (size_t k = 0; k < row.size(); ++k) {
    const auto before = found->second[k];
    if (static_cast<double>(row[k]) <= static_cast<double>(before) * kAllowed[k]) continue;
    text << name << ": " << row[k] << ' ' << kKinds[k] << ", but " << before << " in " << kFile << advice;
  }
  return text.str();
}

std::string by_name(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts.operations) text += name + ' ' + std::to_string(count) + ", ";
  return text;
}

TEST_SUITE_BEGIN("record");

TEST_CASE("counts above the record are told") {
  const Record record{{"x", {100, 10, 2, 0, 2}}};
  CHECK(excess("x", {110, 11, 2, 0, 2}, record).empty());
  const auto text = excess("x", {111, 12, 3, 1, 3}, record);
  for (const char* part : {"x: 111 operations, but 100 in", "12 copies", "3 uploads", "1 downloads", "3 waits"}) {
    CHECK(doctest::String(text.c_str()) == doctest::Contains(part));
  }
  CHECK(text.ends_with("L2T_RECORD=1 build/test/l2t_device_tests\n"));
  CHECK(excess("y", {}, record) ==
        "y is not in bench/operations.json. If that must be so, record it: L2T_RECORD=1 build/test/l2t_device_tests\n");
}

TEST_CASE("an iteration of VGG-9 with four pairs takes at most 500 operations" * doctest::skip(recording())) {
  CHECK(recorded().at("vgg9_bn l2t-ww native cuda").front() <= 500);
}

TEST_SUITE_END();

}  // namespace

void check_counts(const std::string& name, const Counts& counts) {
  CHECK(counts.strays == 0);
  const Row row{counts.total(), counts.copies, counts.uploads, counts.downloads, counts.waits};
  if (recording()) {
    static Record record;
    record[name] = row;
    write(record);
    return;
  }
  INFO("operations: ", by_name(counts));
  CHECK(excess(name, row, recorded()) == "");
}

}  // namespace l2t::test
