package rowfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// encode writes rows with a writer of its own.
func encode[T any](t rapid.TB, f *rowfile.Format[T], rows []T, metadata ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := f.NewWriter(&b, metadata...)
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode[T any](t rapid.TB, data []byte) []T {
	t.Helper()
	var rows []T
	for row, err := range rowfile.Rows[T](data) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, *row)
	}
	return rows
}

// roundTrip checks that any rows of T come back as they were stored: parquet-go
// has got embedded structs, pointers and NULL wrong before.
func roundTrip[T any](t *testing.T, f *rowfile.Format[T]) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(anyRow[T]), 0, 40).Draw(t, "rows")
		data := encode(t, f, rows)
		got := decode[T](t, data)
		if len(rows) != len(got) {
			t.Fatalf("%d rows, want %d", len(got), len(rows))
		}
		for i := range rows {
			if diff := cmp.Diff(rows[i], got[i]); diff != "" {
				t.Fatalf("row %d: %s", i, diff)
			}
		}
		if n, err := rowfile.Check(data); err != nil || n != int64(len(rows)) {
			t.Fatalf("Check = %d, %v", n, err)
		}
	})
}

// anyRow draws a row: every field anything that its type and column can hold.
func anyRow[T any](t *rapid.T) T {
	var row T
	fill(t, reflect.ValueOf(&row).Elem(), "")
	return row
}

func fill(t *rapid.T, v reflect.Value, tag string) {
	moments := rapid.Map(rapid.Int64Range(0, 4e12), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		if strings.Contains(tag, "optional") && rapid.Bool().Draw(t, "null") {
			return
		}
		*x = moments.Draw(t, "time")
		return
	case *[]string:
		if rapid.Bool().Draw(t, "list") {
			*x = rapid.SliceOfN(rapid.StringN(0, 3, -1), 0, 3).Draw(t, "strings")
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag.Get("parquet"); tag != "-" {
				fill(t, v.Field(i), tag)
			}
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "pointer") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), tag)
		}
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"a", "b"}), rapid.String()).Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int64"))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, "int32")))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float64"))
	default:
		panic(v.Type())
	}
}

func TestRoundTrip(t *testing.T) {
	t.Run("Event", func(t *testing.T) {
		roundTrip(t, &rowfile.Format[athenatrail.Event]{Dictionary: []string{"event_name"}, Bloom: []string{"query_execution_id"}, Blobs: []string{"record"}})
	})
	t.Run("QueryText", func(t *testing.T) { roundTrip(t, &rowfile.Format[athenatrail.QueryText]{}) })
	t.Run("RoleSession", func(t *testing.T) { roundTrip(t, &rowfile.Format[athenatrail.RoleSession]{}) })
	t.Run("Detail", func(t *testing.T) {
		roundTrip(t, &rowfile.Format[athenatrail.Detail]{Dictionary: []string{"kind", "outcome", "state"}})
	})
	t.Run("QueryExecution", func(t *testing.T) {
		roundTrip(t, &rowfile.Format[athenatrail.QueryExecution]{Dictionary: []string{"person", "state", "tool", "gap"}, Bloom: []string{"query_execution_id"}})
	})
	t.Run("Activity", func(t *testing.T) {
		roundTrip(t, &rowfile.Format[athenatrail.Activity]{Dictionary: []string{"person", "event_name", "user_agent"}})
	})
	t.Run("UsageRollup", func(t *testing.T) {
		roundTrip(t, &rowfile.Format[athenatrail.UsageRollup]{Dictionary: []string{"person", "latency_01", "latency_40"}})
	})
}

type wide struct {
	ID    string `parquet:"id"`
	Group string `parquet:"group"`
	Text  string `parquet:"text,optional"`
}

// TestManyRows crosses batches, pages and row groups, and encodes twice.
func TestManyRows(t *testing.T) {
	f := &rowfile.Format[wide]{Dictionary: []string{"group"}, Bloom: []string{"id"}, Size: func(w *wide) int { return len(w.Text) + 40 }}
	rows := make([]wide, 70_000)
	for i := range rows {
		rows[i] = wide{ID: fmt.Sprintf("%08d", i), Group: fmt.Sprint(i % 7)}
		if i%5 != 0 {
			rows[i].Text = strings.Repeat(rows[i].ID, i%300)
		}
	}
	data := encode(t, f, rows)
	// At once, with encoders that have written other things before.
	var wait sync.WaitGroup
	for i := range 3 {
		wait.Go(func() {
			encode(t, f, rows[i*1000:][:5000])
			if !bytes.Equal(data, encode(t, f, rows)) {
				t.Error("the same rows gave other bytes")
			}
		})
	}
	wait.Wait()
	if got := decode[wide](t, data); !reflect.DeepEqual(got, rows) {
		t.Error("rows did not come back")
	}
	type id struct {
		ID string `parquet:"id"`
	}
	for i, row := range decode[id](t, data) {
		if row.ID != rows[i].ID {
			t.Fatalf("row %d: id %q, want %q", i, row.ID, rows[i].ID)
		}
	}
}

// TestOtherVersions reads files with fewer columns, as an older version wrote
// them, and with more.
func TestOtherVersions(t *testing.T) {
	type older struct {
		ID string `parquet:"id"`
	}
	data := encode(t, &rowfile.Format[older]{}, []older{{"a"}, {"b"}})
	if diff := cmp.Diff([]wide{{ID: "a"}, {ID: "b"}}, decode[wide](t, data)); diff != "" {
		t.Error(diff)
	}
	type newer struct {
		ID    string   `parquet:"id"`
		Seen  *bool    `parquet:"seen"`
		Names []string `parquet:"names,optional,list"`
		Group string   `parquet:"group"`
		Text  string   `parquet:"text,optional"`
	}
	data = encode(t, &rowfile.Format[newer]{}, []newer{{ID: "a", Names: []string{"x", "y"}, Group: "g"}, {ID: "b", Text: "t"}})
	if diff := cmp.Diff([]wide{{ID: "a", Group: "g"}, {ID: "b", Text: "t"}}, decode[wide](t, data)); diff != "" {
		t.Error(diff)
	}
	foreign, err := rowfile.Foreign[wide](data)
	if diff := cmp.Diff([]string{"names", "seen"}, foreign); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestOlderEmbedded reads the real tables from files that lack their lists,
// pointers and embedded columns.
func TestOlderEmbedded(t *testing.T) {
	type older struct {
		QueryExecutionID string `parquet:"query_execution_id,optional"`
		AccountID        string `parquet:"account_id"`
		Person           string `parquet:"person"`
	}
	data := encode(t, &rowfile.Format[older]{}, []older{{"q1", "111122223333", "ana"}, {"", "111122223333", "ben"}})
	got := decode[athenatrail.QueryExecution](t, data)
	want := []athenatrail.QueryExecution{
		{QueryExecutionID: "q1", AccountID: "111122223333", Who: athenatrail.Who{Person: "ana"}},
		{AccountID: "111122223333", Who: athenatrail.Who{Person: "ben"}},
	}
	for i := range got {
		// A required time that the file lacks is the epoch or the zero time.
		got[i].SubmissionDateTime = time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClean(t *testing.T) {
	var f rowfile.Format[wide]
	row := wide{ID: "a\xffb", Text: "é"}
	if !f.Clean(&row) || row != (wide{ID: "a\uFFFDb", Text: "é"}) {
		t.Errorf("%q", row)
	}
	if f.Clean(&row) {
		t.Error("a clean row was cleaned")
	}
	var g rowfile.Format[athenatrail.QueryText]
	tables := []string{"ok", "\xfe"}
	text := athenatrail.QueryText{Tables: tables}
	if !g.Clean(&text) || !slices.Equal(text.Tables, []string{"ok", "\uFFFD"}) {
		t.Errorf("%q", text.Tables)
	}
	if tables[1] != "\xfe" {
		t.Error("the list of the row that this one is a copy of was changed")
	}
}

func TestMetadata(t *testing.T) {
	f := &rowfile.Format[wide]{}
	data := encode(t, f, []wide{{ID: "a"}}, [2]string{"athenatrail.derived_with", "abc"})
	size := int64(len(data))
	for n := range len(data) + 1 {
		got, err := rowfile.Metadata(data[len(data)-n:], size, "athenatrail.derived_with")
		if errors.Is(err, rowfile.ErrShort) {
			continue
		}
		if err != nil || got != "abc" {
			t.Fatalf("of the last %d bytes: %q, %v", n, got, err)
		}
	}
	if got, err := rowfile.Metadata(data, size, "other"); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "PAR1", "not parquet", "PAR1\xff\xff\xff\xffPAR1", "PAR1\xff\xff\xff\x7fPAR1", "PAR1\x00\x00\x00\x00PAR1"} {
		if _, err := rowfile.Metadata([]byte(bad), int64(len(bad)), "k"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// FuzzDamaged alters a file: reading it may fail, and must not panic.
func FuzzDamaged(f *testing.F) {
	data := encode(f, &rowfile.Format[wide]{Dictionary: []string{"group"}, Bloom: []string{"id"}}, []wide{{"a", "g", "t"}, {"b", "g", ""}})
	f.Add(data)
	f.Add(data[:len(data)/2])
	for i := 0; i < len(data); i += 7 {
		b := bytes.Clone(data)
		b[i] ^= 0x55
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range rowfile.Rows[wide](b) {
			_ = err
		}
		rowfile.Check(b)
		rowfile.Foreign[wide](b)
		rowfile.Metadata(b, int64(len(b)), "k")
	})
}

// TestCheckFindsDamage flips every byte of a file's data: either Check says so
// or the rows are the same.
func TestCheckFindsDamage(t *testing.T) {
	rows := []wide{{"a", "g", "some text"}, {"b", "h", ""}}
	data := encode(t, &rowfile.Format[wide]{Dictionary: []string{"group"}}, rows)
	found := 0
	for i := range data {
		b := bytes.Clone(data)
		b[i] ^= 0xff
		if _, err := rowfile.Check(b); err != nil {
			found++
		}
	}
	if found < len(data)/4 {
		t.Errorf("%d of %d altered files were found", found, len(data))
	}
	if _, err := rowfile.Check(data[:len(data)-3]); err == nil {
		t.Error("a cut file was not found")
	}
}
