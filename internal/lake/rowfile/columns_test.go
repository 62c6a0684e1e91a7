package rowfile

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

// TestNullsStayNull writes rows whose optional columns are absent here and
// there, and reads them back as pointers, which tell NULL from empty.
func TestNullsStayNull(t *testing.T) {
	type row struct {
		ID   int64     `parquet:"id"`
		Text string    `parquet:"text,optional"`
		Time time.Time `parquet:"time,optional,timestamp(millisecond:local)"`
		N    *int64    `parquet:"n,optional"`
		B    *bool     `parquet:"b,optional"`
		List []string  `parquet:"list,optional,list"`
	}
	type back struct {
		ID   int64      `parquet:"id"`
		Text *string    `parquet:"text,optional"`
		Time *time.Time `parquet:"time,optional,timestamp(millisecond:local)"`
		N    *int64     `parquet:"n,optional"`
		B    *bool      `parquet:"b,optional"`
		List []string   `parquet:"list,optional,list"`
	}
	f := &Format[row]{}
	rapid.Check(t, func(t *rapid.T) {
		var buf bytes.Buffer
		w := f.NewWriter(&buf)
		var want []back
		for i, present := range rapid.SliceOfN(rapid.IntRange(0, 31), 1, 200).Draw(t, "present") {
			r, b := row{ID: int64(i)}, back{ID: int64(i)}
			if present&1 != 0 {
				r.Text = fmt.Sprint("text ", i)
				b.Text = &r.Text
			}
			if present&2 != 0 {
				r.Time = time.UnixMilli(int64(i) + 1).UTC()
				b.Time = &r.Time
			}
			if present&4 != 0 {
				n := int64(i % 2) // zero is a real value
				r.N, b.N = &n, &n
			}
			if present&8 != 0 {
				v := i%2 == 0
				r.B, b.B = &v, &v
			}
			if present&16 != 0 {
				r.List = []string{"a", fmt.Sprint(i)}[:1+i%2]
				b.List = r.List
			}
			if err := w.Write(&r); err != nil {
				t.Fatal(err)
			}
			want = append(want, b)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := parquet.Read[back](bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if len(got[i].List) == 0 {
				got[i].List = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestColumnsMatchSchema holds the columns that are written here against those
// that parquet-go makes of the same struct.
func TestColumnsMatchSchema(t *testing.T) {
	check := func(leaves []leaf, schema *parquet.Schema) {
		t.Helper()
		if got, want := len(leaves), len(schema.Columns()); got != want {
			t.Errorf("%s: %d columns, parquet-go has %d", schema.Name(), got, want)
		}
	}
	check(leavesOf(reflect.TypeFor[athenatrail.QueryExecution]()), parquet.SchemaOf(athenatrail.QueryExecution{}))
	check(leavesOf(reflect.TypeFor[athenatrail.Activity]()), parquet.SchemaOf(athenatrail.Activity{}))
	check(leavesOf(reflect.TypeFor[athenatrail.UsageRollup]()), parquet.SchemaOf(athenatrail.UsageRollup{}))
	check(leavesOf(reflect.TypeFor[athenatrail.Event]()), parquet.SchemaOf(athenatrail.Event{}))
	check(leavesOf(reflect.TypeFor[athenatrail.QueryText]()), parquet.SchemaOf(athenatrail.QueryText{}))
}

func BenchmarkWrite(b *testing.B) {
	n := int64(123456789)
	row := athenatrail.QueryExecution{
		QueryExecutionID: "11111111-2222-4333-8444-555555555555", AccountID: "111122223333", RegionName: "eu-west-1", EventID: "e",
		Who:           athenatrail.Who{Person: "rosa@example.com", PersonSource: "sso_session", PersonKind: "human", Team: "unassigned", PrincipalARN: "arn:aws:sts::111122223333:assumed-role/r/rosa"},
		WorkGroupName: "w", DataScannedBytes: &n, SubmissionDateTime: time.UnixMilli(1), State: "SUCCEEDED",
	}
	b.Run("columns", func(b *testing.B) {
		f := &Format[athenatrail.QueryExecution]{}
		w := f.NewWriter(io.Discard)
		for b.Loop() {
			if err := w.Write(&row); err != nil {
				b.Fatal(err)
			}
		}
		w.Close()
	})
	b.Run("parquet-go's structs", func(b *testing.B) {
		w := parquet.NewGenericWriter[athenatrail.QueryExecution](io.Discard, parquet.Compression(fastCodec), parquet.PageBufferSize(longPageBytes))
		batch := make([]athenatrail.QueryExecution, 0, batchRows)
		for b.Loop() {
			if batch = append(batch, row); len(batch) == batchRows {
				if _, err := w.Write(batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		w.Close()
	})
}
