#include "engine/kv_engine.h"

namespace cairn::engine {

const char* cf_name(Cf cf) {
  switch (cf) {
    case Cf::kDefault:
      return "default";
    case Cf::kLock:
      return "lock";
    case Cf::kWrite:
      return "write";
    case Cf::kRaft:
      return "raft";
  }
  return "unknown";
}

std::optional<Cf> cf_from_name(ByteView name) {
  if (name.empty() || name == "default") return Cf::kDefault;
  if (name == "lock") return Cf::kLock;
  if (name == "write") return Cf::kWrite;
  if (name == "raft") return Cf::kRaft;
  return std::nullopt;
}

}  // namespace cairn::engine
