// The rule for paths of a FileStore: relative, '/'-separated, no empty part, no "." and no "..".
#pragma once

#include <string>

#include "engine/error.h"

namespace cairn::engine {

// kInvalid unless `path` keeps the rule.
Result<void> check_file_path(const std::string& path);

}  // namespace cairn::engine
