package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// others are all stores but one.
func others(c *harness.Cluster, one *harness.Process) []*harness.Process {
	var rest []*harness.Process
	for _, store := range c.Stores {
		if store != one {
			rest = append(rest, store)
		}
	}
	return rest
}

// readsOf asks the store for the key, n times at once, and returns what was answered as values when all are back.
func readsOf(p *probe, address string, key []byte, n int, timeout time.Duration) func() []string {
	var lock sync.Mutex
	var values []string
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if value, ok := p.get(address, key, timeout); ok {
				lock.Lock()
				values = append(values, string(value))
				lock.Unlock()
			}
		}()
	}
	return func() []string { wg.Wait(); return values }
}

// TestALeaderThatWasStoppedServesNothingOldWhenItGoesOn stops the leader's process for longer than its lease, lets
// another take over and write, and looks at what the old one answers to what was asked meanwhile and afterwards.
func TestALeaderThatWasStoppedServesNothingOldWhenItGoesOn(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{})
	for round := 0; round < 3; round++ {
		k := key("freeze", round)
		old := leader(t, c, pdc, k)
		p := newProbe(t, c, pdc, k)
		for _, store := range c.Stores {
			p.get(store.Address, k, time.Second) // connects
		}
		require.True(t, p.put(old.Address, k, []byte("old")))
		value, ok := p.get(old.Address, k, time.Second)
		require.True(t, ok)
		require.Equal(t, "old", string(value))

		old.Signal(syscall.SIGSTOP)
		stopped := time.Now()
		took := p.untilServed(others(c, old), k, stopped)
		// Asked after another leader has answered a write, and waiting in the stopped process's sockets.
		meanwhile := readsOf(p, old.Address, k, 20, 10*time.Second)
		time.Sleep(200 * time.Millisecond)
		old.Signal(syscall.SIGCONT)
		for n := 0; n < 50; n++ {
			if value, ok := p.get(old.Address, k, time.Second); ok {
				require.NotEqual(t, "old", string(value), "read %d after it went on", n)
			}
		}
		for _, value := range meanwhile() {
			require.NotEqual(t, "old", value, "asked while it was stopped")
		}
		t.Logf("round %d: another store took a write %v after the leader was stopped", round, took.Round(time.Millisecond))
		settle(t, c, pdc)
	}
	requireEqualData(t, c, 1, 1, 2, 3)
}

// sh runs a command; its output is in the error.
func sh(line string) error {
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return nil
}

// namespaces gives each of n stores a network namespace of its own on a bridge; skips the test where that is not
// permitted. Store i has address 10.77.0.i, PD and clients 10.77.0.100.
func namespaces(t *testing.T, n int) (where func(int) (string, []string), host string, name func(int) string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("partitions of real processes need network namespaces, and they need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("partitions of real processes need the command ip (iproute2)")
	}
	tag := fmt.Sprintf("cairn%d", os.Getpid()%10000)
	name = func(i int) string { return fmt.Sprintf("%s-%d", tag, i) }
	bridge := tag + "b"
	t.Cleanup(func() {
		for i := 1; i <= n; i++ {
			sh("ip netns del " + name(i))
		}
		sh("ip link del " + bridge)
	})
	lines := []string{"ip link add " + bridge + " type bridge", "ip addr add 10.77.0.100/24 dev " + bridge,
		"ip link set " + bridge + " up"}
	for i := 1; i <= n; i++ {
		outer, inner := fmt.Sprintf("%so%d", tag, i), fmt.Sprintf("%si%d", tag, i)
		in := "ip -n " + name(i)
		lines = append(lines, "ip netns add "+name(i), "ip link add "+outer+" type veth peer name "+inner,
			"ip link set "+outer+" master "+bridge, "ip link set "+outer+" up", "ip link set "+inner+" netns "+name(i),
			fmt.Sprintf("%s addr add 10.77.0.%d/24 dev %s", in, i, inner), in+" link set "+inner+" up", in+" link set lo up")
	}
	for _, line := range lines {
		if err := sh(line); err != nil {
			t.Skipf("network namespaces cannot be made here: %v", err)
		}
	}
	return func(i int) (string, []string) {
		return fmt.Sprintf("10.77.0.%d", i), []string{"ip", "netns", "exec", name(i)}
	}, "10.77.0.100", name
}

// TestALeaderCutOffFromTheOtherStoresServesNothingOld drops all packets between the leader's machine and the other
// stores' (clients and PD still reach all): another leads, the old one stops serving, and all have the same in the end.
func TestALeaderCutOffFromTheOtherStoresServesNothingOld(t *testing.T) {
	where, host, name := namespaces(t, 3)
	c, pdc := newCluster(t, harness.Options{Where: where, PDHost: host})
	k := []byte("cut")
	old := leader(t, c, pdc, k)
	p := newProbe(t, c, pdc, k)
	for _, store := range c.Stores {
		p.get(store.Address, k, time.Second) // connects
	}
	require.True(t, p.put(old.Address, k, []byte("old")))
	number := 0
	for i, store := range c.Stores {
		if store == old {
			number = i + 1
		}
	}
	routes := func(verb string) {
		for i := 1; i <= 3; i++ {
			if i != number {
				require.NoError(t, sh(fmt.Sprintf("ip -n %s route %s blackhole 10.77.0.%d", name(number), verb, i)))
			}
		}
	}
	routes("add")
	cut := time.Now()
	took := p.untilServed(others(c, old), k, cut)
	for n := 0; n < 100; n++ {
		if value, ok := p.get(old.Address, k, 100*time.Millisecond); ok {
			require.NotEqual(t, "old", string(value), "read %d of a leader that was cut off", n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	require.False(t, p.put(old.Address, k, []byte("lost")), "a write without a quorum")
	routes("del")
	settle(t, c, pdc)
	lead := leader(t, c, pdc, k)
	require.True(t, p.put(lead.Address, k, []byte("new")))
	value, ok := p.get(lead.Address, k, time.Second)
	require.True(t, ok)
	require.Equal(t, "new", string(value))
	require.False(t, strings.Contains(old.LogText(), "CHECK"))
	t.Logf("another store took a write %v after the leader was cut off", took.Round(time.Millisecond))
	requireEqualData(t, c, 1, 1, 2, 3)
}
