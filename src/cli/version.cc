#include "cli/commands.h"

namespace cairn::cli {

const char* version() { return CAIRN_VERSION; }

}  // namespace cairn::cli
