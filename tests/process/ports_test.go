package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// TestConnectionsThatSendNothingHoldUpNoStatusPage opens connections to the status ports that say nothing, or half of
// something, and looks how long the pages take.
func TestConnectionsThatSendNothingHoldUpNoStatusPage(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1})
	for _, p := range []*harness.Process{c.Stores[0], c.PD} {
		for i := 0; i < 40; i++ {
			conn, err := net.Dial("tcp", p.Status)
			require.NoError(t, err)
			defer conn.Close()
			if i%2 == 0 {
				conn.Write([]byte("GET /status HT"))
			}
		}
		began := time.Now()
		for _, page := range []string{"/status", "/metrics"} {
			response, err := http.Get("http://" + p.Status + page)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, 200, response.StatusCode)
		}
		require.Less(t, time.Since(began), 3*time.Second, p.Name)
	}
}

// TestAddressesOfIpv6 runs a whole cluster of one store on ::1.
func TestAddressesOfIpv6(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no ::1")
	}
	probe.Close()
	c, _ := newCluster(t, harness.Options{Stores: 1, PDHost: "[::1]",
		Where: func(int) (string, []string) { return "[::1]", nil }})
	require.True(t, harness.StatusOK(c.Stores[0]) && harness.StatusOK(c.PD))
	require.NoError(t, rawClient(t, c).Put(context.Background(), []byte("k"), []byte("v")))
}

// limits of a process as the kernel has them: soft and hard.
func openFiles(t *testing.T, p *harness.Process) (soft, hard string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.Pid()))
	require.NoError(t, err)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			fields := strings.Fields(rest)
			return fields[0], fields[1]
		}
	}
	t.Fatal("no such limit")
	return "", ""
}

// TestOpenFilesAreRaisedToWhatIsAllowedAndALowLimitIsToldOf starts stores with little.
func TestOpenFilesAreRaisedToWhatIsAllowedAndALowLimitIsToldOf(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1,
		Where: func(int) (string, []string) { return "127.0.0.1", []string{"prlimit", "--nofile=300:2000"} }})
	store := c.Stores[0]
	soft, hard := openFiles(t, store)
	require.Equal(t, "2000", hard)
	require.Equal(t, "2000", soft)
	require.Contains(t, store.LogText(), "the process may hold only 2000 files open")
	require.NoError(t, rawClient(t, c).Put(context.Background(), []byte("k"), []byte("v")))

	// More connections than there is room for beside the engines do not end it.
	var conns []net.Conn
	for i := 0; i < 1200; i++ {
		conn, err := net.DialTimeout("tcp", store.Address, time.Second)
		if err != nil {
			break
		}
		conns = append(conns, conn)
	}
	require.NoError(t, rawClient(t, c).Put(context.Background(), []byte("k"), []byte("w")))
	for _, conn := range conns {
		conn.Close()
	}
	require.True(t, store.Running())
}

func TestAPlaygroundThatCannotBeSaysWhyAndIsNeverReady(t *testing.T) {
	dir := t.TempDir()
	base := harness.FreePorts(t, 64)
	playground := func(args ...string) string {
		t.Helper()
		code, out := run(t, append([]string{"playground", "--pd-port", fmt.Sprint(base), "--store-port", fmt.Sprint(base + 10),
			"--status-port", fmt.Sprint(base + 30)}, args...)...)
		require.Equal(t, 1, code, out)
		require.NotContains(t, out, "\nready")
		return out
	}

	// A child that does not start: its error, not what its log or its neighbours say later.
	bad := filepath.Join(dir, "bad.toml")
	require.NoError(t, os.WriteFile(bad, []byte("raftstore.raft-base-tick-interval = \"0s\"\n"), 0o644))
	out := playground("--data-dir", filepath.Join(dir, "bad"), "--kv.config", bad)
	require.Contains(t, out, "raftstore.raft-base-tick-interval: \"0s\" is out of range")

	// Data of more stores than are to run.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "five", "store-5"), 0o755))
	require.Contains(t, playground("--data-dir", filepath.Join(dir, "five")), "give --stores 5")

	// No folder for temporary files.
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	require.Contains(t, playground(), "TMPDIR")
	t.Setenv("TMPDIR", dir)

	// Another cluster has the ports, and answers there.
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+31))
	require.NoError(t, err)
	defer other.Close()
	require.Contains(t, playground("--data-dir", filepath.Join(dir, "taken")), fmt.Sprintf("cannot listen on 127.0.0.1:%d", base+31))
}

// TestAPlaygroundSaysWhatItWaitsForAndThatAllIsOver runs one whose regions cannot have their replicas, and kills it all.
func TestAPlaygroundSaysWhatItWaitsForAndThatAllIsOver(t *testing.T) {
	dir := t.TempDir()
	base := harness.FreePorts(t, 64)
	p := harness.Run(t, filepath.Join(dir, "out"), "playground", "--pd-port", fmt.Sprint(base), "--store-port", fmt.Sprint(base+10),
		"--status-port", fmt.Sprint(base+30), "--data-dir", filepath.Join(dir, "data"), "--pd.config", writeFile(t, dir, "pd.toml", "schedule.replica-schedule-limit = 0\n"))
	harness.Eventually(t, 30*time.Second, "it says what it waits for", func() bool {
		return contains(p.LogText(), "waiting: region ") && contains(p.LogText(), " has 1 of 3 replicas")
	})
	for _, line := range strings.Split(p.LogText(), "\n") {
		if at := strings.Index(line, " pid "); at >= 0 {
			var pid int
			fmt.Sscan(line[at+5:], &pid)
			process, err := os.FindProcess(pid)
			require.NoError(t, err)
			require.NoError(t, process.Kill())
		}
	}
	require.Equal(t, 1, p.ExitCode(), p.LogText())
	require.NotContains(t, p.LogText(), "\nready")
	require.Contains(t, p.LogText(), "ended by signal 9")
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}
