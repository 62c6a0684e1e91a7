package lake

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// FuzzNames reads names of files that a lake may hold. What is taken for one of
// the lake's own is written again as the same, and is no way out of it.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"dt=2026-11-03/111122223333_eu-west-1.parquet", "dt=2026-11-03/all.parquet", "dt=2026-11-03/all-2.parquet", "dt=2026-11-03/all-0.parquet",
		"dt=2026-11-03/../../x_y.parquet", "dt=9999-12-31/a_b.parquet", "dt=0000-01-01/a_b.parquet", "dt=2026-11-03/a_b_c.parquet", "dt=2026-11-03/_.parquet", "dt=2026-11-03/a_\x00.parquet",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if p, err := parseFileName(name); err == nil {
			if want := "dt=" + p.Date.String() + "/" + p.Name() + ".parquet"; want != name {
				t.Fatalf("%q is read as %q", name, want)
			}
			inside(t, fileKey(Events.dir(), p))
		}
		if day, n, err := parseClosedKey(name); err == nil {
			key := closedKey(QueryExecutions, day, n)
			if behind, ok := strings.CutPrefix(key, QueryExecutions.closedDir()); !ok || behind != name {
				t.Fatalf("%q is read as %q", name, key)
			}
			inside(t, key)
		}
		// Whatever a record calls its account and region.
		inside(t, fileKey(Events.dir(), athenatrail.NewPartition(athenatrail.Date(20000).Time(), name, name)))
	})
}

func inside(t *testing.T, key string) {
	t.Helper()
	if strings.Contains(key, "..") || strings.Contains(key, "//") || strings.Contains(key, "\\") || strings.HasPrefix(key, "/") || strings.ContainsAny(key, "\x00\n\r") {
		t.Fatalf("the key %q", key)
	}
}

// FuzzSlices reads any text as what a closed file says is in it.
func FuzzSlices(f *testing.F) {
	f.Add(`[["111122223333_eu-west-1",3,"000102030405060708090a0b0c0d0e0f","x"]]`)
	f.Add(`[["b_b",1,"00",""],["a_a",1,"00",""]]`)
	f.Add(`[["../x_y",1,"000102030405060708090a0b0c0d0e0f",""]]`)
	f.Add(`[[null,null,null,null]]`)
	f.Add(strings.Repeat("[", 20_000))
	day := athenatrail.Date(20000)
	f.Fuzz(func(t *testing.T, text string) {
		slices, err := parseSlices(day, text)
		if err != nil {
			return
		}
		written, err := encodeSlices(slices)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseSlices(day, written)
		if err != nil || len(again) != len(slices) {
			t.Fatalf("%s became %s: %v", text, written, err)
		}
		for i := range again {
			if !again[i].is(slices[i]) || again[i].Partition != slices[i].Partition {
				t.Fatalf("%s became %s", text, written)
			}
			inside(t, QueryExecutions.closedDir()+again[i].Name())
		}
	})
}

// FuzzBoundary reads any file as the boundary of closed days.
func FuzzBoundary(f *testing.F) {
	for _, b := range []Boundary{{Before: 20000}, {Before: 20000, Closing: 20001, KeptFrom: map[string]athenatrail.Date{"activity": 19000}}} {
		data, err := b.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-5])
	}
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBoundary(data)
		if err != nil {
			return
		}
		if b.Before < firstDay || b.Before > lastDay {
			t.Fatalf("a boundary on day %d", b.Before)
		}
		written, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseBoundary(written); err != nil || again.Before != b.Before {
			t.Fatalf("%v became %v: %v", b, again, err)
		}
	})
}
