package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// run runs the binary to its end and returns its exit code and all that it printed.
func run(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), args...)
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		done <- result{out, err}
	}()
	select {
	case r := <-done:
		return cmd.ProcessState.ExitCode(), string(r.out)
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		r := <-done
		t.Fatalf("did not end by itself; it printed:\n%s", r.out)
		return 0, ""
	}
}

func TestBadFlagsAndKeysAreRefusedByName(t *testing.T) {
	code, out := run(t, "server", "--no-such-flag")
	require.Equal(t, 1, code)
	require.Contains(t, out, "no-such-flag")

	config := filepath.Join(t.TempDir(), "bad.toml")
	require.NoError(t, os.WriteFile(config, []byte("[raftstore]\nno-such-key = 1\n"), 0o644))
	code, out = run(t, "server", "--config", config, "--data-dir", t.TempDir())
	require.NotZero(t, code)
	require.Contains(t, out, "raftstore.no-such-key")
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1})

	// The port is taken.
	code, out := run(t, "server", "--addr", c.Stores[0].Address, "--status-addr", "127.0.0.1:0", "--pd-endpoints", c.PD.Address,
		"--data-dir", filepath.Join(t.TempDir(), "new"))
	require.NotZero(t, code)
	require.Contains(t, out, c.Stores[0].Address)

	// The directory is in use by another process.
	code, out = run(t, "server", "--addr", "127.0.0.1:0", "--status-addr", "127.0.0.1:0", "--pd-endpoints", c.PD.Address,
		"--data-dir", c.StoreDir(1))
	require.NotZero(t, code)
	require.Contains(t, out, c.StoreDir(1))

	// The directory belongs to another cluster.
	c.Stores[0].Stop()
	other := harness.New(t, harness.Options{Stores: 1})
	harness.Eventually(t, 30*time.Second, "the other cluster is up", func() bool { return harness.StatusOK(other.Stores[0]) })
	code, out = run(t, "server", "--addr", "127.0.0.1:0", "--status-addr", "127.0.0.1:0", "--pd-endpoints", other.PD.Address,
		"--data-dir", c.StoreDir(1))
	require.NotZero(t, code)
	require.Contains(t, out, "cluster")
	// and nothing in it changed
	c.Restart(c.Stores[0])
	harness.Eventually(t, 30*time.Second, "the store serves its own cluster again", func() bool { return harness.StatusOK(c.Stores[0]) })
}

func TestAStoreWaitsForPdAndSaysSo(t *testing.T) {
	c := harness.New(t, harness.Options{Stores: 1})
	c.PD.Kill()
	p := c.AddStore()
	harness.Eventually(t, 20*time.Second, "it says that PD cannot be reached", func() bool {
		text := p.LogText()
		return len(text) > 0 && p.Running() && contains(text, c.PD.Address)
	})
	c.Restart(c.PD)
	harness.Eventually(t, 30*time.Second, "it serves once PD is there", func() bool { return harness.StatusOK(p) })
}

// TestSettingsOutsideTheirRangeAreRefusedBeforeAnythingIsTouched tries, by file and by flag, what would spin, abort or
// stop all writes later.
func TestSettingsOutsideTheirRangeAreRefusedBeforeAnythingIsTouched(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "bad.toml")
	data := filepath.Join(dir, "data")
	refused := func(command, toml string, words ...string) {
		t.Helper()
		require.NoError(t, os.WriteFile(config, []byte(toml), 0o644))
		code, out := run(t, command, "--config", config, "--data-dir", data)
		require.Equal(t, 1, code, out)
		for _, word := range words {
			require.Contains(t, out, word)
		}
		require.NoDirExists(t, data)
	}
	refused("server", "raftstore.raft-base-tick-interval = \"0s\"\n", "raftstore.raft-base-tick-interval", `"0s"`, "5ms to 1m")
	refused("server", "raftstore.raft-election-timeout-ticks = 4000000000\n", "raftstore.raft-election-timeout-ticks", "2 to 10000")
	refused("server", "storage.scheduler-pending-write-threshold = 0\n", "storage.scheduler-pending-write-threshold", "1MiB to 1TiB")
	refused("server", "raftstore.raft-entry-max-size = \"1B\"\n", "raftstore.raft-entry-max-size", "64KiB to 1GiB")
	refused("server", "readpool.unified.max-thread-count = 1000000\n", "readpool.unified.max-thread-count", "1 to 256")
	refused("server", "server.advertise-addr = \"[::]:20160\"\n", "server.advertise-addr", "cannot be dialled")
	refused("server", "server.addr = \"a:1\\n[error] forged:1\"\n", "server.addr", `a:1\n[error] forged`)
	refused("pd", "tso-update-physical-interval = \"0s\"\n", "tso-update-physical-interval", "1ms to 10s")
	refused("pd", "schedule.patrol-region-interval = \"0s\"\n", "schedule.patrol-region-interval", "10ms to 1h")
	refused("pd", "lease = 0\n", "lease", "1 to 3600")
	refused("pd", "log.level = \"loud\"\n", "log.level", "loud", "warn")

	code, out := run(t, "server", "--config", dir, "--data-dir", data)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, dir+" is a directory")
	code, out = run(t, "server", "--advertise-addr", "0.0.0.0:20160", "--data-dir", data)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "server.advertise-addr")
	code, out = run(t, "server", "--log-level", "loud", "--data-dir", data)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "--log-level")
	require.NoDirExists(t, data)
}
