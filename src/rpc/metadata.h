// A call's metadata, and how it stands in HTTP/2's headers: values under names that end in "-bin" are any bytes and go
// as base64, others are printable ASCII. Tests: metadata_test.cc.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http2.h"

namespace cairn::rpc {

// Names in lower case, in the order in which they came or go; a name may come twice.
using Metadata = std::vector<std::pair<std::string, std::string>>;

// Takes a header that came, unless it is one of HTTP/2's or gRPC's own. What is no base64 where it must be is dropped.
void take_metadata(std::string_view name, std::string_view value, Metadata& out);

// The headers that say `metadata`: `text` keeps what they refer to, and so must `metadata`.
void show_metadata(const Metadata& metadata, std::vector<std::string>& text, std::vector<net::HeaderView>& headers);

}  // namespace cairn::rpc
