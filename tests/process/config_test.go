package process

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// template is a configuration file of the real TiKV or PD; it is theirs, so that whoever runs the test names it.
func template(t *testing.T, variable, what string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s names no template: %s of its source", variable, what)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

var commented = regexp.MustCompile(`^# ?([a-zA-Z0-9][\w.-]*\s*=\s*\S.*|\[[\w.-]+\])$`)

// uncommented is the template with every setting set to what it says, but for the names of clients: they need a CA.
func uncommented(template string) string {
	var out []string
	for _, line := range strings.Split(template, "\n") {
		if found := commented.FindStringSubmatch(line); found != nil && !strings.Contains(line, "cert-allowed-cn") {
			line = found[1]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + address + path)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// setting reads one value of GET /config.
func setting(t *testing.T, p *harness.Process, name string) any {
	t.Helper()
	code, body := get(t, p.Status, "/config")
	require.Equal(t, 200, code, body)
	var at any
	require.NoError(t, json.Unmarshal([]byte(body), &at))
	for _, part := range strings.Split(name, ".") {
		section, ok := at.(map[string]any)
		require.True(t, ok, name)
		at = section[part]
	}
	return at
}

func TestTikvsAndPdsTemplatesStartOurProcesses(t *testing.T) {
	ofTikv := template(t, "CAIRN_TIKV_TEMPLATE", "etc/config-template.toml")
	ofPd := template(t, "CAIRN_PD_TEMPLATE", "conf/config.toml")
	c := harness.New(t, harness.Options{Stores: 1, PDConfig: ofPd, StoreConfig: ofTikv})
	harness.Eventually(t, 30*time.Second, "the store serves", func() bool { return harness.StatusOK(c.Stores[0]) })
}

func TestEverySettingOfTikvsAndPdsTemplatesIsKnown(t *testing.T) {
	for _, one := range []struct{ command, text string }{
		{"server", template(t, "CAIRN_TIKV_TEMPLATE", "etc/config-template.toml")},
		{"pd", template(t, "CAIRN_PD_TEMPLATE", "conf/config.toml")},
	} {
		path := filepath.Join(t.TempDir(), "all.toml")
		require.NoError(t, os.WriteFile(path, []byte(uncommented(one.text)), 0o644))
		code, out := run(t, one.command, "--config", path, "--config-check")
		require.Zero(t, code, out)
		require.Contains(t, out, "config check successful")
		notes := strings.Count(out, " is not used: ")
		require.Greater(t, notes, 10, out)
		t.Logf("%s: %d settings are accepted without being used", one.command, notes)
	}
}

func TestAProgramSaysWhatItsSettingsAre(t *testing.T) {
	for _, command := range []string{"server", "pd"} {
		code, sample := run(t, command, "--print-sample-config")
		require.Zero(t, code)
		path := filepath.Join(t.TempDir(), "sample.toml")
		require.NoError(t, os.WriteFile(path, []byte(sample), 0o644))
		code, out := run(t, command, "--config", path, "--config-check")
		require.Zero(t, code, out)
		require.Equal(t, "config check successful\n", out)
		code, out = run(t, command, "--help-settings")
		require.Zero(t, code)
		require.Contains(t, out, "log.level (info), --log-level")
		code, out = run(t, command, "-V")
		require.Zero(t, code)
		require.Contains(t, out, "Release Version:")
	}
	path := filepath.Join(t.TempDir(), "bad.toml")
	require.NoError(t, os.WriteFile(path, []byte("[raftstore]\nraft-log-gc-treshold = 5\n"), 0o644))
	code, out := run(t, "server", "--config", path, "--config-check")
	require.Equal(t, 1, code)
	require.Contains(t, out, "raftstore.raft-log-gc-treshold: no such setting; did you mean raftstore.raft-log-gc-threshold?")
}

func TestSettingsChangeWhileTheProcessesRun(t *testing.T) {
	c := harness.New(t, harness.Options{Stores: 1, StoreConfig: "# mine\n[raftstore]\nraft-log-gc-threshold = 60\n",
		PDConfig: "[log]\nlevel = \"info\"\n"})
	store := c.Stores[0]
	harness.Eventually(t, 30*time.Second, "the store serves", func() bool { return harness.StatusOK(store) })
	require.EqualValues(t, 60, setting(t, store, "raftstore.raft-log-gc-threshold"))
	set := func(p *harness.Process, more ...string) (int, string) {
		return run(t, append([]string{"ctl", "config", "--status-addr", p.Status, "set"}, more...)...)
	}

	// The file is in step, so that it holds after a restart, too.
	code, out := set(store, "raftstore.raft-log-gc-threshold", "70")
	require.Zero(t, code, out)
	require.EqualValues(t, 70, setting(t, store, "raftstore.raft-log-gc-threshold"))
	file, err := os.ReadFile(filepath.Join(c.Dir, "store.toml"))
	require.NoError(t, err)
	require.Equal(t, "# mine\n[raftstore]\nraft-log-gc-threshold = 70\n", string(file))
	code, out = set(store, "storage.block-cache.capacity", "32MiB", "--for-now")
	require.Zero(t, code, out)
	require.Equal(t, "32MiB", setting(t, store, "storage.block-cache.capacity"))
	store.Kill()
	c.Restart(store)
	harness.Eventually(t, 30*time.Second, "the store serves again", func() bool { return harness.StatusOK(store) })
	require.EqualValues(t, 70, setting(t, store, "raftstore.raft-log-gc-threshold"))
	require.Equal(t, "64MiB", setting(t, store, "storage.block-cache.capacity"))

	// As TiKV's own tools do it, several at once; and what is refused changes nothing.
	post := func(body string) (int, string) {
		answer, err := http.Post("http://"+store.Status+"/config", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	code, out = post(`{"log.level": "debug", "raftstore.raft-log-gc-count-limit": 5000}`)
	require.Equal(t, 200, code, out)
	require.EqualValues(t, 5000, setting(t, store, "raftstore.raft-log-gc-count-limit"))
	code, out = post(`{"log.level": "error", "server.addr": "127.0.0.1:1"}`)
	require.Equal(t, 500, code, out)
	require.Contains(t, out, "failed to update, error: ")
	require.Contains(t, out, "config server.addr can not be changed")
	require.Equal(t, "debug", setting(t, store, "log.level"))
	code, out = post(`{"raftstore.raft-log-gc-threshold": "many"}`)
	require.Equal(t, 500, code, out)
	code, out = post(`[]`)
	require.Equal(t, 500, code, out)
	require.Contains(t, out, "failed to decode, error: ")

	// PD's.
	code, out = set(c.PD, "schedule.replica-schedule-limit", "8")
	require.Zero(t, code, out)
	require.EqualValues(t, 8, setting(t, c.PD, "schedule.replica-schedule-limit"))
	code, out = set(c.PD, "lease", "8")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "config lease can not be changed")
}

var unified = regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\] \[[\w.]+:\d+\] \[("(\\.|[^"\\])*"|[^\s"=\[\]]+)\]( \[thread_id=\d+\])?$`)

func TestTheLogHasLevelsAndFilesOfBoundedSizeAndNumber(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "logs", "store.log")
	require.NoError(t, os.MkdirAll(filepath.Dir(log), 0o755))
	c := harness.New(t, harness.Options{Stores: 1, StoreConfig: fmt.Sprintf("raft-engine.dir = \"x\"\n[log]\nlevel = \"debug\"\n"+
		"[log.file]\nfilename = %q\nmax-size = 1\nmax-backups = 2\n", log)})
	store := c.Stores[0]
	harness.Eventually(t, 30*time.Second, "the store serves", func() bool { return harness.StatusOK(store) })
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		require.Regexp(t, unified, line)
	}
	require.Contains(t, string(text), `["raft-engine.dir is not used: the Raft log is a RocksDB`)

	// Whoever moves the file away has it opened anew.
	moved := filepath.Join(dir, "moved.log")
	require.NoError(t, os.Rename(log, moved))
	store.Signal(syscall.SIGHUP)
	harness.Eventually(t, 10*time.Second, "a new file", func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), "SIGHUP came")
	})

	// A file that was filled up is moved aside; of those, two stay.
	for i := 0; i < 5; i++ {
		fill, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = fill.Write([]byte(strings.Repeat("x", 1<<20) + "\n"))
		require.NoError(t, err)
		fill.Close()
		store.Signal(syscall.SIGHUP) // learns of the size, writes a line
		store.Signal(syscall.SIGUSR2)
		harness.Eventually(t, 10*time.Second, "the full file is moved aside", func() bool {
			info, err := os.Stat(log)
			return err == nil && info.Size() < 1<<20
		})
	}
	harness.Eventually(t, 10*time.Second, "two full files", func() bool {
		full, _ := filepath.Glob(filepath.Join(dir, "logs", "store-*.log"))
		return len(full) == 2
	})
}
