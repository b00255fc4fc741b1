#include "pd/schedule/location.h"

#include <strings.h>

#include <algorithm>
#include <cmath>

namespace cairn::pd {
namespace {

bool is_same_word(const std::string& a, const std::string& b) { return strcasecmp(a.c_str(), b.c_str()) == 0; }

}  // namespace

std::string label_of(const metapb::Store& store, const std::string& key) {
  for (const auto& label : store.labels()) {
    if (is_same_word(label.key(), key)) return label.value();
  }
  return {};
}

int first_difference(const metapb::Store& a, const metapb::Store& b, const std::vector<std::string>& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto of_a = label_of(a, labels[i]);
    const auto of_b = label_of(b, labels[i]);
    if (!of_a.empty() && !of_b.empty() && !is_same_word(of_a, of_b)) return static_cast<int>(i);
  }
  return -1;
}

double isolation_score(const metapb::Store& store, const std::vector<const metapb::Store*>& others,
                       const std::vector<std::string>& labels) {
  constexpr double kBase = 100;  // more replicas than that would count as a wider place
  double score = 0;
  for (const auto* other : others) {
    if (other->id() == store.id()) continue;
    const int level = first_difference(store, *other, labels);
    if (level >= 0) score += std::pow(kBase, static_cast<double>(labels.size()) - level - 1);
  }
  return score;
}

bool is_isolated(const metapb::Store& store, const std::vector<const metapb::Store*>& others,
                 const std::vector<std::string>& labels, const std::string& level) {
  const auto found = std::find(labels.begin(), labels.end(), level);
  if (level.empty() || found == labels.end()) return true;
  const auto at = static_cast<int>(found - labels.begin());
  return std::all_of(others.begin(), others.end(), [&](const auto* other) {
    if (other->id() == store.id()) return true;
    const int difference = first_difference(store, *other, labels);
    return difference >= 0 && difference <= at;
  });
}

}  // namespace cairn::pd
