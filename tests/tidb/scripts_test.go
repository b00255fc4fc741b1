package tidb

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"cairn.test/harness"
)

// TestScripts runs the scripts of testdata, each in a database of its own. A statement ends with a semicolon at the end of a
// line; the lines behind it say what it must answer:
//
//	select a, b from t order by a;
//	| 1 | one |
//	| 2 | NULL |
//	insert into t values (1, 'again');
//	! 1062 Duplicate entry '1' for key 't.PRIMARY'
//
// Rows are sorted unless the statement says ORDER BY. `@two update ...;` is said in a session of that name. Comments begin
// with `--`. CAIRN_REWRITE=1 writes the answers of this run into the scripts, for a look at the difference.
func TestScripts(t *testing.T) {
	s := start(t, harness.Options{})
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts in testdata: ", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) { runScript(t, s, path, name) })
	}
}

var startsSession = regexp.MustCompile(`^@(\w+) `)

func runScript(t *testing.T, s *server, path, name string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, "drop database if exists "+name)
	s.exec(t, "create database "+name)
	sessions := map[string]*sql.Conn{}
	out := []string{}
	statement := ""
	var got []string
	expected := 0
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for number, line := range lines {
		if statement == "" && (strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "! ")) {
			if expected >= len(got) || got[expected] != line {
				t.Errorf("%s:%d: expected %s", path, number+1, line)
			}
			expected++
			continue
		}
		if statement == "" {
			flush(t, path, number, got, expected)
			got, expected = nil, 0
		}
		out = append(out, line)
		if statement == "" && (strings.HasPrefix(line, "--") || strings.TrimSpace(line) == "") {
			continue
		}
		statement += line + "\n"
		if !strings.HasSuffix(line, ";") {
			continue
		}
		session := "one"
		if match := startsSession.FindStringSubmatch(statement); match != nil {
			session = match[1]
			statement = statement[len(match[0]):]
		}
		if sessions[session] == nil {
			sessions[session] = s.session(t)
			if _, err := query(sessions[session], "use "+name); err != nil {
				t.Fatal(err)
			}
		}
		got = answer(sessions[session], strings.TrimSuffix(strings.TrimSpace(statement), ";"))
		out = append(out, got...)
		statement = ""
	}
	flush(t, path, len(lines), got, expected)
	if os.Getenv("CAIRN_REWRITE") != "" {
		os.WriteFile(path, []byte(strings.Join(out, "\n")+"\n"), 0o644)
	}
}

// flush tells what a statement answered beyond what was expected.
func flush(t *testing.T, path string, number int, got []string, expected int) {
	t.Helper()
	if len(got) != expected {
		t.Errorf("%s:%d: %d lines expected, got\n%s", path, number, expected, strings.Join(got, "\n"))
	}
}

func answer(q querier, statement string) []string {
	rows, err := query(q, statement)
	if err != nil {
		text := regexp.MustCompile(`^Error (\d+)[^:]*: `).ReplaceAllString(err.Error(), "$1 ")
		return []string{"! " + strings.ReplaceAll(text, "\n", " ")}
	}
	lines := []string{}
	for _, row := range rows {
		lines = append(lines, "| "+strings.ReplaceAll(strings.Join(row, " | "), "\n", `\n`)+" |")
	}
	if !strings.Contains(strings.ToLower(statement), "order by") {
		sort.Strings(lines)
	}
	return lines
}
