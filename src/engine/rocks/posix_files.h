// Files of the operating system below one directory, each write checked and each finished file synced with its folder.
// Tests: kv_contract_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/kv_engine.h"

namespace cairn::engine::rocks {

class PosixFiles final : public FileStore {
 public:
  // The directory exists.
  explicit PosixFiles(std::string root) : root_(std::move(root)) {}

  Result<std::unique_ptr<Writer>> create(const std::string& path) override;
  Result<uint64_t> size(const std::string& path) const override;
  Result<Bytes> read(const std::string& path, uint64_t offset, size_t n) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;

  // Where the file lies; its folder is made.
  Result<std::string> prepare(const std::string& path) const;
  Result<std::string> full_path(const std::string& path) const;

 private:
  std::string root_;
};

// Makes the directory and its missing parents.
Result<void> make_directories(const std::string& path);
// Makes names in the directory durable.
Result<void> sync_directory(const std::string& path);

}  // namespace cairn::engine::rocks
