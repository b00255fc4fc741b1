#include "pd/gc_owner.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace cairn::pd {
namespace {

// A SQL server registers under the first; one that works in a keyspace under its keyspace's copy of it. Both carry the
// server's lease, so they vanish with it.
constexpr const char* kSqlServers = "/tidb/server/";
constexpr const char* kSqlKeyspaces = "/keyspaces/tidb/";
constexpr uint64_t kPrecisionS = 60;

std::string find_sql_server(const MetaStore& store) {
  std::string found;
  store.scan_prefix(kSqlServers, [&](ByteView key, const MetaRecord&) {
    if (found.empty()) found = Bytes(key);
  });
  if (!found.empty()) return found;
  store.scan_prefix(kSqlKeyspaces, [&](ByteView key, const MetaRecord&) {
    if (found.empty() && key.find(kSqlServers) != ByteView::npos) found = Bytes(key);
  });
  return found;
}

}  // namespace

GcOwnership GcOwnership::load(const MetaStore& store, const Keys& keys) {
  GcOwnership ownership;
  ownership.sql_server = find_sql_server(store);
  if (const auto value = store.own().value(keys.gc_other_owner()); value && !ownership.parse_other(*value)) {
    LOG_WARN("the record of another collector of garbage is unreadable: {}", *value);
  }
  return ownership;
}

bool GcOwnership::parse_other(ByteView value) {
  const auto json = nlohmann::json::parse(value, nullptr, false);
  if (!json.is_object() || !json.contains("owner") || !json["owner"].is_string() || !json.contains("seen_at") ||
      !json["seen_at"].is_number_unsigned()) {
    return false;
  }
  other = json["owner"].get<std::string>();
  seen_at = json["seen_at"].get<uint64_t>();
  return true;
}

std::optional<std::string> GcOwnership::objection(uint64_t now_s, Duration takeover_delay) const {
  if (!sql_server.empty()) return fmt::format("a SQL server is registered at {}", sql_server);
  if (other.empty()) return std::nullopt;
  // A record from the future: the clock went back. It counts as fresh.
  const uint64_t silent_s = now_s > seen_at ? now_s - seen_at : 0;
  if (std::chrono::seconds(silent_s) >= takeover_delay) return std::nullopt;
  return fmt::format("{} collected garbage {} s ago", other, silent_s);
}

void remember_other_owner(const GcOwnership& ownership, const Keys& keys, const std::string& who, uint64_t now_s,
                          MetaTxn& writes) {
  const bool is_fresh = ownership.seen_at <= now_s && now_s - ownership.seen_at < kPrecisionS;
  if (ownership.other == who && is_fresh) return;
  writes.put(keys.gc_other_owner(), nlohmann::json{{"owner", who}, {"seen_at", now_s}}.dump());
}

}  // namespace cairn::pd
