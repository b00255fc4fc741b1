#include "rpc/metadata.h"

#include "rpc/grpc_wire.h"

namespace cairn::rpc {

namespace {

// The details of a status are for whoever asked, like metadata.
constexpr std::string_view kStatusDetails = "grpc-status-details-bin";

bool is_reserved(std::string_view name) {
  return name.starts_with(':') || (name.starts_with("grpc-") && name != kStatusDetails) || name == "te" ||
         name == "content-type" || name == "user-agent";
}

}  // namespace

void take_metadata(std::string_view name, std::string_view value, Metadata& out) {
  if (is_reserved(name)) return;
  if (!is_binary_name(name)) {
    out.emplace_back(name, value);
    return;
  }
  // Several values may have been joined on the way; a comma is no digit of base64.
  while (true) {
    const size_t comma = value.find(',');
    if (auto bytes = base64_decode(value.substr(0, comma))) out.emplace_back(name, std::move(*bytes));
    if (comma == std::string_view::npos) return;
    value.remove_prefix(comma + 1);
  }
}

void show_metadata(const Metadata& metadata, std::vector<std::string>& text, std::vector<net::HeaderView>& headers) {
  text.reserve(text.size() + metadata.size());  // views of its strings are taken
  for (const auto& [name, value] : metadata) {
    if (is_binary_name(name)) {
      headers.push_back({name, text.emplace_back(base64_encode(value))});
    } else {
      headers.push_back({name, value});
    }
  }
}

}  // namespace cairn::rpc
