// How flags and configuration files write sizes, durations and lists: "256MiB", "10s", "zone=east,host=h1". Pure.
// Tests: settings_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace cairn::config {

template <class T>
using Parsed = Result<T, std::string>;  // the error says what is wrong with the value

// "4096", "64KB", "256MiB", "1.5GiB": as TiKV, each unit is a power of 1024.
Parsed<uint64_t> parse_size(const std::string& text);
// "10s", "500ms", "1h30m", "7d".
Parsed<Duration> parse_duration(const std::string& text);
// As they are read, in the largest unit that leaves no fraction: "256MiB", "90s".
std::string size_text(uint64_t bytes);
std::string duration_text(Duration duration);
// "key=value,key=value".
Parsed<std::map<std::string, std::string>> parse_labels(const std::string& text);
// What a setting holds. Sizes and durations are text, as files write them.
using Value =
    std::variant<std::string, bool, uint64_t, double, std::vector<std::string>, std::map<std::string, std::string>>;
// As TOML writes it: text in quotes, `["a", "b"]`, `{ zone = "a" }`.
std::string toml_text(const Value& value);
// As a flag would: lists are "a,b", labels "zone=a,host=b".
std::string plain_text(const Value& value);
// "a,b": the parts, trimmed; empty ones are left out.
std::vector<std::string> split_list(const std::string& text);
// Whether the process speaks TLS, as its [security] says; then it does everywhere.
enum class Tls : bool { kOff, kOn };
// The "host:port" of "http://host:port", "https://host:port" or of itself. Without TLS an https URL is an error.
Parsed<std::string> parse_address(const std::string& text, Tls tls);
// The same for an address that others are to dial, which one that stands for all of a machine's is not.
Parsed<std::string> parse_advertised_address(const std::string& text, Tls tls);

}  // namespace cairn::config
