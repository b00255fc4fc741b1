#include "client/range.h"

namespace cairn::client {
namespace {

Bytes engine_key(KeyForm form, const Bytes& user_key) {
  return form == KeyForm::kEncoded ? codec::encode_bytes(user_key) : user_key;
}

// A region bound as a user key. A bound inside an encoded key is made by nobody and counts as none.
Bytes user_bound(KeyForm form, const Bytes& bound) {
  if (form == KeyForm::kPlain || bound.empty()) return bound;
  return codec::decode_bytes(bound).value_or(Bytes());
}

}  // namespace

runtime::Task<Outcome<Stretch>> next_stretch(CorePtr core, EffortPtr effort, KeyForm form, Bytes begin, Bytes end,
                                             Direction direction) {
  Stretch stretch;
  if (direction == Direction::kForward) {
    CO_TRY_ASSIGN(stretch.route, co_await locate(core, effort, engine_key(form, begin)));
  } else {
    const Bytes engine_end = end.empty() ? Bytes() : engine_key(form, end);
    CO_TRY_ASSIGN(stretch.route, co_await locate_before(core, effort, engine_end));
  }
  const Bytes region_begin = user_bound(form, stretch.route.start_key);
  const Bytes region_end = user_bound(form, stretch.route.end_key);
  const bool begins_inside = begin >= region_begin;
  const bool ends_inside = region_end.empty() || (!end.empty() && end <= region_end);
  stretch.begin = begins_inside ? begin : region_begin;
  stretch.end = ends_inside ? end : region_end;
  stretch.is_last = direction == Direction::kForward ? ends_inside : begins_inside;
  co_return stretch;
}

ScanPage page_of(const Stretch& stretch, std::vector<KeyValue> pairs, uint32_t limit, Direction direction) {
  ScanPage page;
  if (pairs.size() < limit) {
    page.is_last = stretch.is_last;
    page.next = direction == Direction::kForward ? stretch.end : stretch.begin;
  } else {
    page.next = pairs.back().key;
    if (direction == Direction::kForward) page.next.push_back('\0');  // the first key behind it
  }
  page.pairs = std::move(pairs);
  return page;
}

}  // namespace cairn::client
