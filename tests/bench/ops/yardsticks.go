package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"cairn.test/harness"
)

// measureYardsticks runs `cairn bench` and returns the CPU microseconds of each yardstick by its name.
func measureYardsticks(t *program) map[string]float64 {
	marks := map[string]float64{}
	for _, kind := range []string{"echo", "rocks"} {
		command := exec.Command(harness.Binary(t), "bench", kind, "--json")
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("cairn bench %s: %v", kind, err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var mark struct {
				Name string  `json:"name"`
				Ops  float64 `json:"ops_per_s"`
				CPU  float64 `json:"cpu_us"`
			}
			if err := json.Unmarshal([]byte(line), &mark); err != nil {
				t.Fatalf("cairn bench %s printed %q", kind, line)
			}
			marks[mark.Name] = mark.CPU
			fmt.Printf("yardstick %-14s %9.0f ops/s  %6.1f us CPU\n", mark.Name, mark.Ops, mark.CPU)
		}
	}
	fmt.Println()
	return marks
}
