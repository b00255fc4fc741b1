#include "pd/gc/gc_owner.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace cairn::pd {
namespace {

// A SQL server registers under the first; one that works in a keyspace under its keyspace's copy of it. Both carry the
// server's lease, so they vanish with it.
constexpr const char* kSqlServers = "/tidb/server/";
constexpr const char* kSqlKeyspaces = "/keyspaces/tidb/";
constexpr int kSqlKeyspacesMax = 10'000;  // that are looked at; if there are more, some server may be registered
constexpr uint64_t kPrecisionS = 60;

// The first key of the range; empty if there is none.
std::string first_key(const MetaStore& store, const KeyRange& range) {
  std::string found;
  store.visit(range, [&](const Bytes& key, const MetaRecord&) {
    found = key;
    return false;
  });
  return found;
}

std::string find_sql_server(const MetaStore& store) {
  if (auto found = first_key(store, KeyRange::of_prefix(kSqlServers)); !found.empty()) return found;
  // From keyspace to keyspace: what else is kept there may be much.
  const Bytes root = kSqlKeyspaces;
  auto rest = KeyRange::of_prefix(root);
  for (int seen = 0; seen < kSqlKeyspacesMax; ++seen) {
    const std::string next = first_key(store, rest);
    if (next.empty()) return "";
    const size_t slash = next.find('/', root.size());
    if (slash == Bytes::npos) {
      rest.start = next + '\0';
      continue;
    }
    const Bytes keyspace = next.substr(0, slash);
    if (auto found = first_key(store, KeyRange::of_prefix(keyspace + kSqlServers)); !found.empty()) return found;
    rest.start = keyspace + static_cast<char>('/' + 1);
  }
  return fmt::format("{} (perhaps: it holds more than {} keyspaces)", root, kSqlKeyspacesMax);
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
