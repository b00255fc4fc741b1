// Characters in upper and lower case, one for one, as UPPER and LOWER have them: 'ß' stays, for its upper case is two.
// Tests: functions_test.cc.
#pragma once

namespace cairn::coprocessor {

char32_t upper_case(char32_t c);
char32_t lower_case(char32_t c);

}  // namespace cairn::coprocessor
