#include "config/log_settings.h"

#include "base/log_output.h"

namespace cairn::config {

void add_log(Settings& settings, log::Options& log) {
  settings.choice("log.level", log.level, log::levels(),
                  {.sentence = "`trace`, `debug`, `info`, `warn`, `error`, `fatal`",
                   .change = Change::kWhileRunning,
                   .flag = "--log-level,-L,--log"});
  settings.text("log.file.filename", log.file,
                {.sentence = "where the log goes", .flag = "--log-file,-f", .default_words = "standard error"});
  settings.number("log.file.max-size", log.file_mib_max, {1, 4096, Zero::kMeansOff},
                  live("megabytes after which the log goes on in a new file; the full one gets the time into its name. "
                       "`0`: never"));
  settings.number("log.file.max-days", log.days_max, {1, 36'500, Zero::kMeansOff},
                  live("full log files that are older are deleted; `0`: none for its age"));
  settings.number("log.file.max-backups", log.backups_max, {1, 100'000, Zero::kMeansOff},
                  live("full log files that are kept; `0`: all"));
  // TiKV's and PD's of old.
  settings.alias("log-level", "log.level");
  settings.alias("log-file", "log.file.filename");
}

void add_redaction(Settings& settings, std::string& redact) {
  settings.choice("security.redact-info-log", redact, {"false", "true", "off", "on", "marker"},
                  live("what the log shows of users' keys and values: `false`, all of it, in hexadecimal; `true`, `?`; "
                       "`marker`, all of it between `‹` and `›`, for a tool to take out"));
}

log::Redact redact_of(const std::string& word) {
  if (word == "marker") return log::Redact::kMarker;
  return word == "true" || word == "on" ? log::Redact::kYes : log::Redact::kNo;
}

}  // namespace cairn::config
