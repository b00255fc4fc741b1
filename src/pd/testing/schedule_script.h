// The small language of testdata/schedule/*.txt: a modelled cluster, and what checkers and schedulers want of it. A
// line
// "> command arguments" asks, what follows is the answer; other lines make the cluster; lines of '#' are comments.
//
//   set max-replicas=5 location-labels=zone,host        settings by PD's names
//   store 4 zone=z1 state=offline used=90/100           a store; GiB used of its disk
//   weight 4 leader=2 region=0.5
//   region 7 on 1 2 3 size=96                           the first store leads; MiB
//   learner 7 4 / pending 7 4 / down 7 4                of region 7 on store 4
//   regions 100 from 10 on 1 2 3 size=96                many of them, from id 10
//   scheduler evict-leader-scheduler 1 2                that runs while the cluster settles
//   > check 7                                           what the replica checker wants of region 7
//   > propose balance-leader-scheduler [stores]         what the scheduler wants
//   > scatter 7 group                                   what scattering it wants
//   > takes 4                                           why store 4 takes and gives no leaders and regions
//   > rounds 60                                         so many seconds pass
//   > settle                                            the cluster does what is wanted until nothing is
#pragma once

#include <string>

namespace cairn::pd {

// Runs the script and returns it with the answers that were given: equal to the input if it holds.
std::string run_schedule_script(const std::string& script);

}  // namespace cairn::pd
