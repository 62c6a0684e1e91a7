package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

// RunHolding is Run with other bounds of what waits in memory.
func RunHolding(ctx context.Context, o Options, bytes int) (*Summary, error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	p.hold = bytes
	err = p.run(ctx)
	return &p.sum, err
}

func rowsOf(rows [][]any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// hostile draws texts with what breaks rows, cells and spreadsheets.
func hostile() *rapid.Generator[string] {
	pieces := rapid.SampledFrom([]string{
		",", `"`, `""`, "\n", "\r\n", "\r", "\t", "=", "+", "-", "@", "'", " ", "\\", `\.`, ";", "|", "\x00", "\ufeff", "\u2028", "<", "&",
		"SELECT 1", "é", "日本", "null", "NULL", "0", "=cmd|' /C calc'!A0", `","`, "\"\r\n\"", "[", "{", "#", "--",
	})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(pieces, 0, 8).Draw(t, "pieces"), "") })
}

var everyKind = []Column{
	{Name: "a", kind: text}, {Name: "b,\"c\"", kind: text}, {Name: "n", kind: int64s}, {Name: "i", kind: int32s}, {Name: "f", kind: float},
	{Name: "t", kind: moment}, {Name: "m", kind: money}, {Name: "l", kind: texts}, {Name: "o", kind: boolean}, {Name: "z", kind: text},
}

func drawRow(t *rapid.T) []any {
	maybe := func(v any) any {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return nil
		}
		return v
	}
	return []any{
		maybe(hostile().Draw(t, "a")), maybe(hostile().Draw(t, "b")), maybe(rapid.Int64().Draw(t, "n")), maybe(int64(rapid.Int32().Draw(t, "i"))),
		maybe(rapid.Float64Range(-1e9, 1e9).Draw(t, "f")), maybe(time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "t")).UTC()),
		maybe(athenatrail.Money(rapid.Int64Range(0, math.MaxInt64).Draw(t, "m"))), maybe(rapid.SliceOfN(hostile(), 1, 3).Draw(t, "l")),
		maybe(rapid.Bool().Draw(t, "o")), maybe(hostile().Draw(t, "z")),
	}
}

// asText is what a cell is to be in CSV, where NULL and "" are both empty.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []string:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			panic(err)
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	return fmt.Sprint(v)
}

// parseRFC4180 is the grammar of RFC 4180, by the letter: lines end in CRLF, and
// a cell that is not quoted has no quote, comma, CR or LF.
func parseRFC4180(data string) (records [][]string, err error) {
	for len(data) > 0 {
		var record []string
		for {
			var cell string
			if strings.HasPrefix(data, `"`) {
				data = data[1:]
				for {
					i := strings.IndexByte(data, '"')
					if i < 0 {
						return nil, errors.New("a quote is not closed")
					}
					cell, data = cell+data[:i], data[i+1:]
					if !strings.HasPrefix(data, `"`) {
						break
					}
					cell, data = cell+`"`, data[1:]
				}
			} else {
				i := strings.IndexAny(data, "\",\r\n")
				if i < 0 {
					return nil, errors.New("the last line has no end")
				}
				cell, data = data[:i], data[i:]
			}
			record = append(record, cell)
			if !strings.HasPrefix(data, ",") {
				break
			}
			data = data[1:]
		}
		if !strings.HasPrefix(data, "\r\n") {
			return nil, fmt.Errorf("after %q comes %.10q", record, data)
		}
		data = data[2:]
		records = append(records, record)
	}
	return records, nil
}

func TestNothingBreaksARowOfCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep := rapid.Bool().Draw(t, "formulas kept")
		l := &layout{output: CSV, columns: everyKind, formulas: keep}
		var rows [][]any
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			rows = append(rows, drawRow(t))
		}
		data, err := l.encode(rowsOf(rows))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\ufeff")) {
			t.Fatalf("not UTF-8, or with a mark: %q", data)
		}
		got, err := parseRFC4180(string(data))
		if err != nil {
			t.Fatalf("%v in %q", err, data)
		}
		want := [][]string{{"a", `b,"c"`, "n", "i", "f", "t", "m", "l", "o", "z"}}
		for _, row := range rows {
			var cells []string
			for _, v := range row {
				cell := asText(v)
				if _, is := v.(float64); is {
					cell = strings.TrimSuffix(fmt.Sprintf("%f", v), "000000")
				}
				if s, is := v.(string); is && !keep && s != "" && strings.Contains("=+-@\t\r\n", s[:1]) {
					cell = "'" + cell
				}
				cells = append(cells, cell)
			}
			want = append(want, cells)
		}
		reader := csv.NewReader(bytes.NewReader(data))
		std, err := reader.ReadAll()
		if err != nil {
			t.Fatalf("encoding/csv: %v in %q", err, data)
		}
		if len(got) != len(want) || len(std) != len(want) {
			t.Fatalf("%d records, encoding/csv reads %d, want %d", len(got), len(std), len(want))
		}
		for i := range want {
			for j := range want[i] {
				if i > 0 && everyKind[j].kind == float {
					continue // how many digits is package format's business
				}
				if got[i][j] != want[i][j] {
					t.Fatalf("record %d, %s: %q, want %q", i, everyKind[j].Name, got[i][j], want[i][j])
				}
				// encoding/csv turns CRLF into LF, within quotes too.
				if std[i][j] != strings.ReplaceAll(want[i][j], "\r\n", "\n") {
					t.Fatalf("record %d, %s: encoding/csv reads %q, want %q", i, everyKind[j].Name, std[i][j], want[i][j])
				}
			}
		}
	})
}

// A row of one NULL is not an empty line, which would be no row.
func TestOneColumn(t *testing.T) {
	l := &layout{output: CSV, columns: []Column{{Name: "a"}}}
	data, err := l.encode(rowsOf([][]any{{nil}, {""}, {"x"}}))
	if err != nil || string(data) != "a\r\n\"\"\r\n\"\"\r\nx\r\n" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestJSONReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows [][]any
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			rows = append(rows, drawRow(t))
		}
		one, err := (&layout{output: JSON, columns: everyKind}).encode(rowsOf(rows))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := (&layout{output: JSONL, columns: everyKind}).encode(rowsOf(rows))
		if err != nil {
			t.Fatal(err)
		}
		var array, objects []map[string]any
		d := json.NewDecoder(bytes.NewReader(one))
		d.UseNumber()
		if err := d.Decode(&array); err != nil || d.More() {
			t.Fatalf("%v in %q", err, one)
		}
		if n := bytes.Count(lines, []byte("\n")); n != len(rows) {
			t.Fatalf("%d lines of %d rows: %q", n, len(rows), lines)
		}
		for line := range bytes.Lines(lines) {
			var object map[string]any
			d := json.NewDecoder(bytes.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&object); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			objects = append(objects, object)
		}
		if fmt.Sprint(array) != fmt.Sprint(objects) || len(array) != len(rows) {
			t.Fatalf("%v\n%v", array, objects)
		}
		for i, row := range rows {
			names := slices.Sorted(maps.Keys(array[i]))
			if len(names) != len(everyKind) {
				t.Fatalf("columns %q", names)
			}
			for j, c := range everyKind {
				got := array[i][c.Name]
				switch v := row[j].(type) {
				case float64:
					if n, err := got.(json.Number).Float64(); err != nil || n != v {
						t.Fatalf("%s: %v, want %v", c.Name, got, v)
					}
				case nil:
					if got != nil {
						t.Fatalf("%s: %v, want null", c.Name, got)
					}
				case []string:
					if fmt.Sprint(got) != fmt.Sprint(v) {
						t.Fatalf("%s: %v, want %v", c.Name, got, v)
					}
				case athenatrail.Money:
					if got != v.String() { // as text
						t.Fatalf("%s: %v, want %v", c.Name, got, v)
					}
				default:
					if fmt.Sprint(got) != asText(v) {
						t.Fatalf("%s: %v, want %v", c.Name, got, v)
					}
				}
			}
		}
	})
}

func TestCellsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := drawRow(t)
		b := appendCells(nil, row)
		got := make([]any, len(row))
		s := &scanner{rest: b}
		if s.cells(got); s.bad || len(s.rest) > 0 || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", row) {
			t.Fatalf("%#v, want %#v", got, row)
		}
		// What is cut off is noticed, and nothing panics.
		s = &scanner{rest: b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]}
		if s.cells(got); !s.bad {
			t.Fatal("a row that was cut was read")
		}
	})
}

func TestSpoolGivesBackWhatItWasGiven(t *testing.T) {
	temp := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := newSpool(rapid.IntRange(0, 200).Draw(t, "limit"))
		s.temp = temp
		want := map[int][]string{}
		take := func(hour int) {
			records, err := s.take(hour)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range records {
				got = append(got, string(r))
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want[hour]) {
				t.Fatalf("hour %d: %q, want %q", hour, got, want[hour])
			}
			delete(want, hour)
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			hour := rapid.IntRange(0, 3).Draw(t, "hour")
			if rapid.IntRange(0, 9).Draw(t, "take") == 0 {
				take(hour)
				continue
			}
			record := rapid.StringN(0, 40, 40).Draw(t, "record")
			want[hour] = append(want[hour], record)
			if err := s.add(hour, []byte(record)); err != nil {
				t.Fatal(err)
			}
		}
		for hour := range 4 {
			take(hour)
		}
		if s.held != 0 {
			t.Fatalf("%d bytes are held of nothing", s.held)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	})
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
