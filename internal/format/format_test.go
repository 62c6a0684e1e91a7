package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 7, 23, 30, 0, 0, time.UTC)

// sample has every kind, a row of values and a row of NULLs.
func sample() *Result {
	columns := []Column{
		{Name: "person", Kind: Text},
		{Name: "query_execution_id", Title: "query", Kind: ID},
		{Name: "query_string", Title: "sql", Kind: SQL},
		{Name: "executions", Kind: Count},
		{Name: "data_scanned_bytes", Title: "scanned", Kind: Bytes},
		{Name: "total_ms", Title: "took", Kind: Millis},
		{Name: "cost", Kind: Money},
		{Name: "currency", Kind: Text},
		{Name: "cost_share_percent", Title: "share", Kind: Percent},
		{Name: "cost_change_percent", Title: "change", Kind: Change},
		{Name: "ratio", Kind: Number, Wide: true},
		{Name: "last_seen", Kind: Time},
		{Name: "day", Kind: Date},
		{Name: "console", Kind: Bool},
		{Name: "tables_accessed", Kind: Value, Wide: true},
	}
	return &Result{
		View: "sample", From: day.Add(-7 * 24 * time.Hour), To: day, CompleteTo: day.Add(-time.Hour), Columns: columns,
		Rows: RowsOf([][]any{
			{
				"alice@example.com", "0f8fad5b-d9cb-469f-a165-70867728950e", "SELECT 1,\n\t'a|b'", int64(1234567), int64(1539316278886),
				int64(192_000), json.Number("1234.567890123"), "USD", 12.34, -3.0, 0.5, day, day.Truncate(24 * time.Hour), true, []any{"a.b", nil},
			},
			make([]any, len(columns)),
		}),
	}
}

func write(t *testing.T, r *Result, f Format, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r, f, o); err != nil {
		t.Fatalf("Write %s: %v", f, err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	want := `sample, 2026-10-31 23:30 to 2026-11-07 23:30 UTC, complete to 2026-11-07 22:30 (the rest may still arrive)

person             query     sql                executions  scanned     took       cost   share  change  last seen            day         console
─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
alice@example.com  0f8fad5b  SELECT 1, 'a|b'     1,234,567  1.4 TiB  3m 12s  $1,234.57  12.3 %  -3.0 %  2026-11-07 23:30:00  2026-11-07  yes
–                  –         –                           –        –       –          –       –       –  –                    –           –
`
	got := write(t, sample(), Table, Options{})
	if d := cmp.Diff(squeeze(want), squeeze(got)); d != "" {
		t.Errorf("table (-want +got):\n%s\n%s", d, got)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line ends with blanks: %q", line)
		}
	}
}

// squeeze makes a comparison independent of how wide a column came out.
func squeeze(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.Join(strings.Fields(line), " ")
		if strings.Trim(line, "─ ") == "" && line != "" {
			line = "─"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTableFitsWidth(t *testing.T) {
	r := sample()
	r.Columns = r.Columns[:7]
	r.Rows = RowsOf([][]any{{strings.Repeat("long.name.", 12), nil, strings.Repeat("SELECT 日本語 ", 40), int64(1), int64(2), int64(3), json.Number("4")}})
	for _, width := range []int{80, 120, 200} {
		for line := range strings.Lines(write(t, r, Table, Options{Width: width, NoHeader: true})) {
			if n := displayWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: a line has %d cells: %s", width, n, line)
			}
		}
	}
}

func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		n++
		if unicode.In(r, unicode.Han) {
			n++
		}
	}
	return n
}

func TestTableSectionsAndMore(t *testing.T) {
	r := &Result{Columns: []Column{{Name: Section, Kind: Text}, {Name: "name", Kind: Text}, {Name: "executions", Kind: Count}}, More: true,
		Rows: RowsOf([][]any{{"total", "this period", int64(3)}, {"top_people", "alice", int64(2)}, {"top_people", "bob", int64(1)}})}
	want := []string{"name executions", "─", "total", "this period 3", "", "top people", "alice 2", "bob 1", "", "there are more rows: see --limit"}
	if d := cmp.Diff(want, squeeze(write(t, r, Table, Options{}))); d != "" {
		t.Error(d)
	}
	if got := write(t, r, Table, Options{Color: true}); !strings.Contains(got, "\x1b[1mtotal\x1b[0m") {
		t.Errorf("no bold heading in %q", got)
	}
}

func TestCSV(t *testing.T) {
	want := `person,query_execution_id,query_string,executions,data_scanned_bytes,total_ms,cost,currency,cost_share_percent,cost_change_percent,ratio,last_seen,day,console,tables_accessed
alice@example.com,0f8fad5b-d9cb-469f-a165-70867728950e,"SELECT 1,
	'a|b'",1234567,1539316278886,192000,1234.567890123,USD,12.34,-3,0.5,2026-11-07T23:30:00Z,2026-11-07,true,"[""a.b"",null]"
,,,,,,,,,,,,,,
`
	if d := cmp.Diff(want, write(t, sample(), CSV, Options{})); d != "" {
		t.Error(d)
	}
}

func TestCSVGuardsFormulas(t *testing.T) {
	f := func(cell any, want, raw string) {
		t.Helper()
		r := &Result{Columns: []Column{{Name: "a", Kind: Value}, {Name: "b", Kind: Text}}, Rows: RowsOf([][]any{{cell, "x"}})}
		if got := write(t, r, CSV, Options{NoHeader: true}); got != want+",x\n" {
			t.Errorf("%v: got %q, want %q", cell, got, want)
		}
		if got := write(t, r, CSV, Options{NoHeader: true, RawCSV: true}); got != raw+",x\n" {
			t.Errorf("%v raw: got %q, want %q", cell, got, raw)
		}
	}
	f("=1+1", "'=1+1", "=1+1")
	f("+1", "'+1", "+1")
	f("-1", "'-1", "-1")
	f("@SUM(A1)", "'@SUM(A1)", "@SUM(A1)")
	f("\t=1", "'\t=1", "\t=1")
	f("\r=1", "\"'\r=1\"", "\"\r=1\"")
	f("a=1", "a=1", "a=1")
	f(int64(-1), "-1", "-1")
	f(-1.5, "-1.5", "-1.5")
	f(json.Number("-0.000000001"), "-0.000000001", "-0.000000001")
	f("", `""`, `""`)
	f(nil, "", "")
}

func TestJSON(t *testing.T) {
	want := `{"view":"sample","from":"2026-10-31T23:30:00Z","to":"2026-11-07T23:30:00Z","timezone":"UTC","complete_to":"2026-11-07T22:30:00Z","rows":[
{"person":"alice@example.com","query_execution_id":"0f8fad5b-d9cb-469f-a165-70867728950e","query_string":"SELECT 1,\n\t'a|b'","executions":1234567,"data_scanned_bytes":1539316278886,"total_ms":192000,"cost":1234.567890123,"currency":"USD","cost_share_percent":12.34,"cost_change_percent":-3,"ratio":0.5,"last_seen":"2026-11-07T23:30:00Z","day":"2026-11-07","console":true,"tables_accessed":["a.b",null]},
{"person":null,"query_execution_id":null,"query_string":null,"executions":null,"data_scanned_bytes":null,"total_ms":null,"cost":null,"currency":null,"cost_share_percent":null,"cost_change_percent":null,"ratio":null,"last_seen":null,"day":null,"console":null,"tables_accessed":null}
],"truncated":false}
`
	got := write(t, sample(), JSON, Options{})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	lines := strings.Split(want, "\n")
	wantLines := strings.TrimSuffix(lines[1], ",") + "\n" + lines[2] + "\n"
	if d := cmp.Diff(wantLines, write(t, sample(), JSONL, Options{})); d != "" {
		t.Error(d)
	}
}

func TestMarkdown(t *testing.T) {
	r := &Result{Columns: []Column{{Name: "person", Kind: Text}, {Name: "cost", Kind: Money}, {Name: "currency", Kind: Text}},
		Rows: RowsOf([][]any{{"a|b\n<script>[x](y)", json.Number("2.5"), "USD"}, {nil, nil, nil}})}
	want := "| person | cost | currency |\n| --- | ---: | --- |\n| a\\|b\\\\n\\<script\\>\\[x\\](y) | \\$2.50 | USD |\n| – | – | – |\n"
	if d := cmp.Diff(want, write(t, r, Markdown, Options{})); d != "" {
		t.Error(d)
	}
}

func TestHuman(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(HumanBytes(0), "0 B")
	f(HumanBytes(1023), "1023 B")
	f(HumanBytes(1024), "1.0 KiB")
	f(HumanBytes(10<<20), "10.0 MiB")
	f(HumanBytes(1<<20-1), "1.0 MiB")
	f(HumanBytes(1<<63-1), "8.0 EiB")
	f(HumanBytes(-1<<63), "-8.0 EiB")
	f(HumanMillis(0), "0 ms")
	f(HumanMillis(999), "999 ms")
	f(HumanMillis(1200), "1.2 s")
	f(HumanMillis(59_949), "59.9 s")
	f(HumanMillis(59_999), "0m 59s")
	f(HumanMillis(192_000), "3m 12s")
	f(HumanMillis(7_500_000), "2h 05m")
	f(HumanMillis(200_000_000), "2d 07h")
	f(HumanMoney("0", "USD"), "$0.00")
	f(HumanMoney("0.000047684", "USD"), "<$0.01")
	f(HumanMoney("0.005", "USD"), "$0.01")
	f(HumanMoney("1234567.895", "EUR"), "1,234,567.90 EUR")
	f(HumanMoney("-12.5", ""), "-12.50")
	f(HumanMoney("1e999999999", "USD"), "1e999999999")
	f(HumanMoney("12", "E\x1bR"), `12.00 E\x1bR`)
	cell := func(v any, k Kind) string { return human(v, Column{Kind: k}, "", time.FixedZone("", -5*3600)) }
	f(cell(1234567.891, MB), "1,234,567.9")
	f(cell(day, Minute), "2026-11-07 18:30")
	f(cell(day, Time), "2026-11-07 18:30:00")
	f(cell(-0.04, Change), "+0.0 %")
	f(cell(12.0, Change), "+12.0 %")
	f(cell(int64(1234567), Number), "1234567")
	f(Safe("a\x1b[31m\u202eb\u200b\xff\n"), `a\x1b[31m\u202eb\u200b\xff\n`)
	f(Safe("Zoë 日本 👍"), "Zoë 日本 👍")
}

func TestParse(t *testing.T) {
	if _, err := Parse("jsno"); err == nil || !strings.Contains(err.Error(), "want table, csv, json, jsonl or markdown") {
		t.Errorf("got %v", err)
	}
	if err := Write(io.Discard, sample(), "xml", Options{}); err == nil {
		t.Error("an unknown format was written")
	}
}

func TestErrorOfRowsIsReturned(t *testing.T) {
	for _, f := range Formats {
		r := sample()
		r.Rows = func(yield func([]any, error) bool) { yield(nil, io.ErrUnexpectedEOF) }
		if err := Write(io.Discard, r, f, Options{}); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: got %v", f, err)
		}
	}
}

func FuzzFormats(f *testing.F) {
	for _, s := range []string{"", "a", "=cmd|' /C calc'!A0", "a,b\r\n\"c\"", "\x1b]0;x\x07", "\u202e|<b>", "\xff\xfe", "\\.", " a", "a\n"} {
		f.Add(s, "b")
	}
	f.Add("a", "1e999999999")
	f.Fuzz(func(t *testing.T, s, other string) {
		result := func() *Result {
			return &Result{View: s, Columns: []Column{{Name: "a", Kind: Text}, {Name: "q", Kind: SQL}, {Name: "cost", Kind: Money}, {Name: Currency, Kind: Text}},
				Rows: RowsOf([][]any{{s, other, json.Number("1"), s}, {nil, s, json.Number(other), nil}})}
		}
		out := write(t, result(), CSV, Options{RawCSV: true, NoHeader: true})
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatalf("csv of %q: %v", s, err)
		}
		want := [][]string{{s, other, "1", s}, {"", s, other, ""}}
		for _, row := range want { // encoding/csv reads a line break within a cell as a newline
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("csv: %s", d)
		}
		for _, out := range []string{write(t, result(), JSON, Options{}), write(t, result(), JSONL, Options{}), write(t, result(), CSV, Options{Width: 80})} {
			for _, r := range strings.ReplaceAll(out, "\n", "") {
				if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%q of %q, %q holds %U", out, s, other, r)
				}
			}
		}
		for _, format := range []Format{JSON, JSONL} {
			d := json.NewDecoder(strings.NewReader(write(t, result(), format, Options{})))
			for d.UseNumber(); ; {
				var v map[string]any
				if err := d.Decode(&v); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s of %q, %q: %v", format, s, other, err)
				}
			}
		}
		for _, format := range []Format{Table, Markdown} {
			out := []byte(write(t, result(), format, Options{Width: 60}))
			if !utf8.Valid(out) {
				t.Fatalf("%s of %q is no UTF-8", format, s)
			}
			for _, r := range string(bytes.ReplaceAll(out, []byte("\n"), nil)) {
				if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%s of %q, %q holds %U", format, s, other, r)
				}
			}
			if n := strings.Count(string(out), "\n"); n > 5 {
				t.Fatalf("%s of %q: %d lines", format, s, n)
			}
		}
	})
}
