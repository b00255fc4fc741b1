// `cairn ctl`: looks into a cluster's parts and changes them: `ctl digest`, checksums of what a stopped store holds,
// `ctl store` (ctl_store.h), `ctl member` (ctl_member.h) and `ctl config` (ctl_config.h).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/ctl_config.h"
#include "cli/ctl_member.h"
#include "cli/ctl_store.h"
#include "engine/rocks/rocks_engine.h"
#include "store/digest.h"

namespace cairn::cli {
namespace {

int print_digest(const std::string& data_dir) {
  auto kv = engine::open_rocks_kv(data_dir + "/db", {.file_directory = data_dir + "/snap"});
  if (!kv.ok()) {
    std::fprintf(stderr, "cairn ctl: cannot open %s: %s\n", data_dir.c_str(), kv.error().message.c_str());
    return 1;
  }
  const auto digests = store::digest_regions(**kv);
  if (!digests.ok()) {
    std::fprintf(stderr, "cairn ctl: %s: %s\n", data_dir.c_str(), digests.error().message.c_str());
    return 1;
  }
  for (const auto& digest : *digests) {
    fmt::print(
        R"({{"region":{},"applied":{},"entries":{},"cfs":{{"default":"{:016x}","lock":"{:016x}","write":"{:016x}"}}}})"
        "\n",
        digest.region, digest.applied, digest.entries, digest.cfs[0], digest.cfs[1], digest.cfs[2]);
  }
  return 0;
}

}  // namespace

void add_ctl_command(CLI::App& program, int& exit_code) {
  auto* ctl = program.add_subcommand("ctl", "look into the parts of a cluster and change them");
  ctl->require_subcommand(1);
  auto* digest = ctl->add_subcommand("digest", "checksums of what a stopped store holds, a JSON line a region");
  auto data_dir = std::make_shared<std::string>();
  digest->add_option("--data-dir,-s", *data_dir, "the store's data directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  digest->callback([data_dir, &exit_code] { exit_code = print_digest(*data_dir); });
  add_ctl_store_command(*ctl, exit_code);
  add_ctl_member_command(*ctl, exit_code);
  add_ctl_config_command(*ctl, exit_code);
}

}  // namespace cairn::cli
