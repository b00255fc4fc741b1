package tidb

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"cairn.test/harness"
)

// TPC-C of go-tpc, a warehouse and eight terminals, with a store killed and started again meanwhile: its own checks of
// consistency hold before and after.
func TestTPCC(t *testing.T) {
	tool := os.Getenv("GO_TPC")
	if tool == "" {
		t.Skip("GO_TPC is not set: the path of go-tpc, for its TPC-C")
	}
	s := start(t, harness.Options{})
	tpcc := func(args ...string) string {
		t.Helper()
		line := append([]string{"tpcc", "-H", "127.0.0.1", "-P", fmt.Sprint(s.sqlPort), "-D", "tpcc", "--warehouses", "1"}, args...)
		out, err := exec.Command(tool, line...).CombinedOutput()
		if err != nil {
			t.Fatalf("go-tpc %v: %v\n%s", args, err, out[max(0, len(out)-4000):])
		}
		return string(out)
	}
	tpcc("prepare", "-T", "4", "--no-check")
	tpcc("check")
	before := s.cpu()
	ended := make(chan string, 1)
	go func() { ended <- tpcc("run", "-T", "8", "--time", "60s", "--ignore-error") }()
	killed := s.cluster.Stores[1]
	time.Sleep(20 * time.Second)
	killed.Kill()
	time.Sleep(10 * time.Second)
	s.cluster.Restart(killed)
	out := <-ended
	after := s.cpu()
	tpcc("check")
	if rate := regexp.MustCompile(`tpmC: [0-9.]+`).FindString(out); rate != "" {
		t.Logf("%s, the stores' CPU %.1f s", rate, after-before)
	} else {
		t.Errorf("no result:\n%s", out[max(0, len(out)-2000):])
	}
	if n := strings.Count(out, "execute run failed"); n > 0 {
		t.Logf("%d transactions failed and were not counted", n)
	}
}

// cpu is the seconds of all stores that run.
func (s *server) cpu() float64 {
	seconds := 0.0
	for _, store := range s.cluster.Stores {
		seconds += store.CPU()
	}
	return seconds
}
