// What an engine may answer besides data. An IoError or Corruption at a write is final for the process: the caller
// stops the store loudly rather than go on over an unknown disk.
#pragma once

#include <string>

#include "base/result.h"

namespace cairn::engine {

struct Error {
  enum class Kind {
    kIo,          // the disk failed a read or write
    kNoSpace,     // the disk is full
    kCorruption,  // bytes on disk are not what was written
    kLocked,      // another process has the directory
    kInvalid,     // the caller asked for what cannot be (a directory of another kind, an unordered SST)
    kNotCached,   // a read that may not touch the disk (ReadTier::kCache) would have had to
  };
  Kind kind = Kind::kIo;
  std::string message;
};

template <class T>
using Result = cairn::Result<T, Error>;

}  // namespace cairn::engine
