#include "engine/file_path.h"

#include "base/bytes.h"

namespace cairn::engine {

Result<void> check_file_path(const std::string& path) {
  ByteView rest = path;
  while (true) {
    size_t slash = rest.find('/');
    ByteView part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != ByteView::npos) {
      return Err(Error{Error::Kind::kInvalid, "not a path of a file here: '" + path + "'"});
    }
    if (slash == ByteView::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace cairn::engine
