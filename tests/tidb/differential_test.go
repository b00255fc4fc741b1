package tidb

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"cairn.test/harness"
)

// Edge values of a type. Each is a literal of SQL.
type typeOf struct {
	name   string
	sql    string
	values []string
}

var types = []typeOf{
	{"i", "bigint", []string{"0", "1", "-1", "7", "-128", "255", "9223372036854775807", "-9223372036854775808", "20240229", "null"}},
	{"u", "bigint unsigned", []string{"0", "1", "63", "64", "255", "4294967296", "9223372036854775808", "18446744073709551615", "235959", "null"}},
	{"ti", "tinyint", []string{"0", "1", "-1", "127", "-128", "null"}},
	{"ui", "int unsigned", []string{"0", "1", "4294967295", "null"}},
	{"f", "float", []string{"0", "-0.1", "1.5", "3.4028234e38", "-1e-30", "null"}},
	{"d", "double", []string{"0", "-0.5", "0.5", "1.5", "2.5", "1e308", "-1e308", "1e-300", "123456.789", "9.3e18", "null"}},
	{"x", "decimal(20,6)", []string{"0", "1", "-1", "0.5", "-0.5", "1.5", "2.500000", "99999999999999.999999", "-99999999999999.999999", "0.000001", "235959.999999", "null"}},
	{"big", "decimal(65,30)", []string{"0", "99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001", "12345678901234567890.123456789", "null"}},
	{"s", "varchar(64)", []string{"''", "'a'", "'A'", "'abc '", "' 12ab'", "'-12.5e1x'", "'1e400'", "'18446744073709551616'", "'ß日本😀'", "'2024-02-29'", "'2024-02-29 12:34:56.789'", "'-838:59:59'", "'12:34:56.5'", "'{\"a\": [1, 2]}'", "'%_\\\\\\\\%'", "'a,b,c'", "'127.0.0.1'", "'0x1F'", "'true'", "null"}},
	{"ci", "varchar(64) collate utf8mb4_general_ci", []string{"''", "'a'", "'A'", "'ß'", "'S'", "'abc'", "'ABC '", "'É'", "'10'", "null"}},
	{"vb", "varbinary(64)", []string{"''", "x'00'", "x'ff00'", "'a'", "'A'", "x'c3'", "x'e697a5'", "'12'", "null"}},
	{"c", "char(10)", []string{"''", "'x'", "'x y'", "'12'", "null"}},
	{"bi", "bit(20)", []string{"0", "1", "b'11111111111111111111'", "97", "null"}},
	{"e", "enum('a','B','12','')", []string{"'a'", "'B'", "'12'", "''", "null"}},
	{"st", "set('a','B','12')", []string{"''", "'a'", "'a,B,12'", "'12'", "null"}},
	{"dt", "datetime(6)", []string{"'2024-02-29 23:59:59.999999'", "'1000-01-01'", "'9999-12-31 23:59:59.999999'", "'2000-01-01 00:00:00'", "'1970-01-01 00:00:01'", "'2023-12-31 12:00:00.5'", "'0000-00-00 00:00:00'", "'2020-00-10 00:00:00'", "null"}},
	{"dt0", "datetime", []string{"'2024-02-29 23:59:59'", "'2023-01-01 00:00:00'", "'9999-12-31 00:00:00'", "'0000-00-00 00:00:00'", "null"}},
	{"ts", "timestamp(3) null", []string{"'2024-03-10 06:59:59.999'", "'2024-11-03 05:30:00'", "'1970-01-02 00:00:01'", "'2038-01-18 03:14:07'", "'0000-00-00 00:00:00'", "null"}},
	{"da", "date", []string{"'2024-02-29'", "'1000-01-01'", "'9999-12-31'", "'2000-01-01'", "'0000-00-00'", "'2021-02-00'", "null"}},
	{"t", "time(6)", []string{"'00:00:00'", "'-00:00:00.000001'", "'838:59:59'", "'-838:59:59'", "'12:34:56.789012'", "'23:59:59.999999'", "null"}},
	{"t0", "time", []string{"'00:00:00'", "'-12:34:56'", "'24:00:00'", "null"}},
	{"y", "year", []string{"1901", "2155", "0", "2024", "null"}},
	{"j", "json", []string{"'null'", "'true'", "'0'", "'-1.5'", "'18446744073709551615'", "'\"text\"'", "'\"2024-02-29\"'", "'[]'", "'[1, [2, 3], {\"a\": null}]'", "'{\"a\": 1, \"b\": [true, \"x\"]}'", "'{}'", "'\"12\"'", "'1e100'", "null"}},
}

// Functions of one argument (X), of two (X and Y), and of two where the second comes from the same few constants.
var unary = []string{
	"X", "-X", "not X", "X is null", "X is true", "X is false", "X is not true", "~X", "!X",
	"cast(X as signed)", "cast(X as unsigned)", "cast(X as decimal(20,4))", "cast(X as decimal(5,2))", "cast(X as double)", "cast(X as float)", "cast(X as char)",
	"cast(X as char(3))", "cast(X as binary)", "cast(X as binary(3))", "cast(X as date)", "cast(X as datetime)", "cast(X as datetime(3))", "cast(X as time)",
	"cast(X as time(2))", "cast(X as json)", "cast(X as year)",
	"abs(X)", "ceil(X)", "floor(X)", "round(X)", "round(X, 2)", "round(X, -1)", "truncate(X, 1)", "truncate(X, -1)", "sign(X)", "sqrt(X)", "exp(X)", "ln(X)",
	"log2(X)", "log10(X)", "sin(X)", "cos(X)", "tan(X)", "cot(X)", "asin(X)", "acos(X)", "atan(X)", "degrees(X)", "radians(X)", "crc32(X)", "conv(X, 10, 16)",
	"conv(X, 36, -10)", "bin(X)", "oct(X)", "hex(X)", "unhex(X)", "bit_count(X)",
	"length(X)", "char_length(X)", "bit_length(X)", "ascii(X)", "ord(X)", "lower(X)", "upper(X)", "reverse(X)", "trim(X)", "ltrim(X)", "rtrim(X)",
	"trim(both 'a' from X)", "trim(leading '0' from X)", "trim(trailing 'c' from X)", "space(X)", "quote(X)", "to_base64(X)", "from_base64(X)", "left(X, 2)",
	"right(X, 2)", "substring(X, 2)", "substring(X, -2)", "substring(X, 2, 2)", "substring(X, 0, 2)", "substring_index(X, ',', 1)", "substring_index(X, '.', -2)", "repeat(X, 2)", "lpad(X, 6, 'xy')",
	"rpad(X, 6, 'xy')", "replace(X, 'a', 'ZZ')", "concat(X, 'z')", "concat_ws(',', X, X)", "elt(X, 'p', 'q')", "field(X, 'a', 'B', '12')", "find_in_set(X, 'a,b,c,12')",
	"find_in_set('a', X)", "insert(X, 2, 1, 'QQ')", "instr(X, 'b')", "locate('B', X)", "locate('2', X, 2)", "position('a' in X)", "strcmp(X, 'a')", "make_set(X, 'a', 'b', 'c')", "export_set(X, 'Y', 'N', ',', 4)",
	"X like 'a%'", "X like '%\\_%'", "X like 'A_C%'", "X not like '%1%'", "X ilike 'A%'", "soundex(X)", "char(X)", "format(X, 2)", "inet_aton(X)", "inet_ntoa(X)", "inet6_aton(X)", "is_ipv4(X)", "is_ipv6(X)", "md5(X)", "sha1(X)", "sha2(X, 256)", "compress(X)", "uuid_to_bin(X)", "is_uuid(X)",
	"X regexp '^[a-z]+$'", "regexp_like(X, 'A', 'i')", "regexp_instr(X, '[0-9]+')", "regexp_substr(X, '[0-9]+')", "regexp_replace(X, '[0-9]', '#')",
	"date(X)", "time(X)", "year(X)", "month(X)", "monthname(X)", "day(X)", "dayname(X)", "dayofweek(X)", "dayofyear(X)", "weekday(X)", "week(X)", "week(X, 3)",
	"weekofyear(X)", "yearweek(X)", "quarter(X)", "hour(X)", "minute(X)", "second(X)", "microsecond(X)", "last_day(X)", "to_days(X)", "to_seconds(X)", "from_days(X)",
	"time_to_sec(X)", "sec_to_time(X)", "unix_timestamp(X)", "from_unixtime(X)", "from_unixtime(X, '%Y %j')", "makedate(X, 5)", "makedate(2024, X)", "maketime(X, 5, 6)", "maketime(1, 2, X)",
	"date_format(X, '%Y-%m-%d %H:%i:%s.%f %a %b %c %D %e %h %I %j %k %l %M %p %r %T %U %u %V %v %W %w %X %x %y %%')", "time_format(X, '%H %k %h %i %s %f %p')",
	"date_add(X, interval 1 month)", "date_add(X, interval '1:30' minute_second)", "date_sub(X, interval 31 day)", "date_add(X, interval 1.5 second)", "date_sub(X, interval 1 microsecond)", "date_add('2024-01-31', interval X month)",
	"date_add(X, interval '-1 2' day_hour)", "date_add(X, interval 1 quarter)", "date_add(X, interval '1-2' year_month)", "date_sub(X, interval 1 year)",
	"extract(year from X)", "extract(year_month from X)", "extract(day_microsecond from X)", "extract(hour_minute from X)", "extract(week from X)", "extract(microsecond from X)", "str_to_date(X, '%Y-%m-%d')", "str_to_date(X, '%H:%i:%s')", "timestamp(X)", "timestampadd(week, 2, X)", "timestampdiff(day, X, '2024-01-01')", "timestampdiff(month, '2000-02-29 12:00:00', X)",
	"timestampdiff(microsecond, X, '2020-01-01')", "addtime(X, '01:00:00.5')", "subtime(X, '1 01:00:00')", "timediff(X, '12:00:00')", "convert_tz(X, '+00:00', '+05:30')", "period_add(X, 2)", "period_diff(X, 202001)", "tidb_parse_tso(X)",
	"json_type(X)", "json_valid(X)", "json_length(X)", "json_depth(X)", "json_keys(X)", "json_quote(X)", "json_unquote(X)", "json_extract(X, '$.a')", "json_extract(X, '$[1]')", "json_extract(X, '$**.a', '$[0]')", "json_extract(X, '$[last]')",
	"json_contains(X, '1')", "json_contains_path(X, 'one', '$.a', '$.c')", "json_set(X, '$.a', 5)", "json_insert(X, '$.z', 'q')", "json_replace(X, '$.a', null)", "json_remove(X, '$.a')", "json_merge_preserve(X, '[9]')", "json_merge_patch(X, '{\"a\": null}')",
	"json_array(X, 1)", "json_object('k', X)", "json_array_append(X, '$', 1)", "json_array_insert(X, '$[0]', 7)", "json_pretty(X)", "json_storage_size(X)", "json_search(X, 'one', 'x')", "json_overlaps(X, '[1]')", "1 member of (X)", "json_sum_crc32(X)",
	"X in (1, 2, null)", "X in ('a', '12', 'text')", "X in (0, 255, 1.5)", "X between -1 and 20", "X between 'A' and 'b'", "isnull(X)", "ifnull(X, 3)", "if(X, 'y', 'n')", "case X when 1 then 'one' when 'a' then 'A' end",
	"case when X then 1 else 2 end", "coalesce(X, 9)", "nullif(X, 1)", "interval(X, 0, 10, 200)", "greatest(X, 5)", "least(X, '5')", "greatest(X, 'b', '2024-01-01')", "least(X, date'2020-01-01')", "X << 3", "X >> 70", "X xor 1", "X and 0", "X or null",
	"X = '2024-02-29'", "X = 12", "X > '1'", "X < 1.5", "X <=> null", "X = date'2024-02-29'", "X > time'10:00:00'", "X != 'A'", "X = json_array()", "hex(weight_string(X))",
	"X + 1", "X - 1.5", "X * 3", "X / 3", "X div 2", "X % 3", "X mod 0", "1 / X", "5 div X", "5 % X", "X + '1'", "X - 9223372036854775807", "X * X", "X * -1", "pow(X, 2)", "pow(2, X)", "log(2, X)", "atan2(X, 2)", "rand(X)", "vitess_hash(X)", "tidb_shard(X)", "bit_count(X) + 0", "date(X) + 0", "X + 0.0", "cast(X as char) = 'a'", "cast(X as signed) + 1", "concat(X) = X", "hex(X) > 'A'",
}

var binary = []string{
	"X + Y", "X - Y", "X * Y", "X / Y", "X div Y", "X % Y", "X = Y", "X < Y", "X >= Y", "X <=> Y", "X != Y", "X and Y", "X or Y", "X xor Y", "X & Y", "X | Y", "X ^ Y", "X << Y",
	"X in (Y, 1)", "ifnull(X, Y)", "nullif(X, Y)", "if(Y, X, 1)", "coalesce(X, Y)", "greatest(X, Y)", "least(X, Y)", "case when X then Y end", "concat(X, Y)", "concat_ws(X, Y, Y)", "strcmp(X, Y)", "locate(X, Y)", "X like Y",
	"replace(Y, X, 'r')", "left(X, Y)", "substring(X, Y)", "round(X, Y)", "truncate(X, Y)", "pow(X, Y)", "atan2(X, Y)", "addtime(X, Y)", "subtime(X, Y)", "timediff(X, Y)", "datediff(X, Y)", "timestampdiff(second, X, Y)", "timestamp(X, Y)",
	"date_add(X, interval Y day)", "date_sub(X, interval Y second)", "json_contains(X, Y)", "json_extract(X, '$.a') = Y", "X member of (Y)", "json_merge_preserve(X, Y)", "find_in_set(X, Y)", "field(X, Y)", "conv(X, 16, Y)", "repeat(Y, X)", "lpad(Y, X, 'p')", "insert(Y, X, 1, 'i')", "period_diff(X, Y)", "makedate(X, Y)", "maketime(X, Y, 1)", "X between Y and 100", "interval(X, Y)", "format(X, Y)", "substring_index(Y, 'b', X)", "json_array(X, Y)", "json_object(X, Y)", "week(X, Y)", "from_unixtime(X, Y)", "date_format(X, Y)", "str_to_date(X, Y)", "elt(X, Y)", "instr(Y, X)",
}

// TestDifferential evaluates expressions over edge values of all types by the stores, and again in TiDB itself, and compares.
// The stores see an expression as the argument of an aggregate by groups of one row each, as the plan must show.
func TestDifferential(t *testing.T) {
	s := start(t, harness.Options{})
	s.exec(t, "drop database if exists diff")
	s.exec(t, "create database diff")
	c := s.session(t)
	run := func(statement string) {
		if _, err := query(c, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run("use diff")
	run("set sql_mode = ''")
	run("set tidb_enable_vectorized_expression = on")
	rows := 0
	for _, of := range types {
		rows = max(rows, len(of.values))
	}
	columns, key := []string{}, 0
	for _, of := range types {
		columns = append(columns, of.name+" "+of.sql)
	}
	run("create table t (id int primary key, g int, " + strings.Join(columns, ", ") + ")")
	// Two columns come together in every combination of a few rows: their values are turned against each other.
	for turn := range 5 {
		for row := range rows {
			values := []string{fmt.Sprint(key), fmt.Sprint(key)}
			for i, of := range types {
				values = append(values, of.values[(row+turn*(i+1))%len(of.values)])
			}
			run("insert into t values (" + strings.Join(values, ", ") + ")")
			key++
		}
	}
	few := map[string]bool{"i": true, "u": true, "d": true, "x": true, "s": true, "ci": true, "vb": true, "dt": true, "da": true, "t": true, "ts": true, "j": true, "e": true, "y": true}
	d := differential{t: t, c: c, told: map[string]int{}}
	for _, mode := range []string{"", "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"} {
		run(fmt.Sprintf("set sql_mode = '%s'", mode))
		run("set time_zone = 'America/New_York'")
		for _, f := range unary {
			d.compare(f, types, nil)
		}
		for _, f := range binary {
			for _, a := range types {
				if few[a.name] {
					d.compare(strings.ReplaceAll(f, "X", a.name), types, few)
				}
			}
		}
	}
	t.Logf("%d expressions at the stores, %d in TiDB only, %d that have no value, %d that differ", d.pushed, d.kept, d.refused, d.differ)
	names := []string{}
	for name, n := range d.told {
		names = append(names, fmt.Sprintf("%s x%d", name, n))
	}
	sort.Strings(names)
	if path := os.Getenv("TIDB_DIFFERENCES"); path != "" {
		os.WriteFile(path, []byte(strings.Join(names, "\n")+"\n"), 0o644)
	}
}

type differential struct {
	t                             *testing.T
	c                             *sql.Conn
	pushed, kept, refused, differ int
	told                          map[string]int
}

// compare puts each column in the place of X (or, if only some are wanted, of Y): all at once, and one by one where that
// shows a difference.
func (d *differential) compare(function string, columns []typeOf, wanted map[string]bool) {
	pushed := []string{}
	for _, column := range columns {
		if wanted != nil && !wanted[column.name] {
			continue
		}
		expression := strings.NewReplacer("X", column.name, "Y", column.name).Replace(function)
		plan, err := query(d.c, "explain "+atStore(expression))
		if err != nil {
			d.refused++
			continue
		}
		isPushed := false
		for _, line := range plan {
			isPushed = isPushed || strings.HasPrefix(line[2], "cop[tikv]") && strings.Contains(line[4], "funcs:max(")
		}
		if isPushed {
			pushed = append(pushed, expression)
		} else {
			d.kept++
		}
	}
	d.pushed += len(pushed)
	if len(pushed) == 0 {
		return
	}
	// One that fails would hide the others.
	there, here := run(d.c, atStore(pushed...)), run(d.c, inTiDB(pushed...))
	if slices.Equal(there, here) && !slices.Equal(there, failed) {
		return
	}
	for _, expression := range pushed {
		there, here := run(d.c, atStore(expression)), run(d.c, inTiDB(expression))
		if !slices.Equal(there, here) {
			d.tell(expression, there, here)
		}
	}
}

// An aggregate that tells one row of another from what it is given: of others TiDB may do the work behind it by itself.
func atStore(expressions ...string) string {
	return "select /*+ hash_agg(), agg_to_cop() */ g, max(" + strings.Join(expressions, "), max(") + ") from t group by g"
}

// Nothing goes to the stores through a limit.
func inTiDB(expressions ...string) string {
	return "select g, max(" + strings.Join(expressions, "), max(") + ") from (select * from t limit 1000000) t group by g"
}

func (d *differential) tell(expression string, there, here []string) {
	d.differ++
	d.told[expression]++
	if d.differ > 400 {
		return
	}
	text := ""
	shown := 0
	for i := range max(len(there), len(here)) {
		a, b := "", ""
		if i < len(there) {
			a = there[i]
		}
		if i < len(here) {
			b = here[i]
		}
		if a != b && shown < 2 {
			text += fmt.Sprintf("\n    store %s\n    TiDB  %s", a, b)
			shown++
		}
	}
	d.t.Errorf("%s%s", expression, text)
}

var failed = []string{"error"}

// run gives rows as lines, sorted. An error is an error, whatever its words and its number: rows come in another order at the
// stores, so another of them may be the first that has none.
func run(c *sql.Conn, statement string) []string {
	rows, err := query(c, statement)
	if err != nil {
		return failed
	}
	lines := []string{}
	for _, row := range rows {
		lines = append(lines, fmt.Sprintf("%4s %q", row[0], row[1:]))
	}
	sort.Strings(lines)
	return lines
}
