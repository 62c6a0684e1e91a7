package lake_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

func TestLake(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		if _, err := lake.Open(t.Context(), open()); !errors.Is(err, lake.ErrNoLake) {
			t.Errorf("Open of nothing: %v", err)
		}
		l := createLake(t, open())
		if keys := keysOf(t, l, ""); len(keys) != 0 {
			t.Errorf("Create wrote %q", keys)
		}
		if _, err := l.Manifest(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("manifest of nothing: %v", err)
		}
		if err := l.Put(t.Context(), "facts/x", nil); err != nil {
			t.Fatal(err)
		}
		data, err := l.Read(t.Context(), "manifest.json")
		if diff := cmp.Diff("{\n  \"format_version\": 1\n}\n", string(data)); err != nil || diff != "" {
			t.Error(err, diff)
		}
		again, err := lake.Open(t.Context(), open())
		if err != nil {
			t.Fatal(err)
		}
		// What another version added to the manifest stays.
		if err := l.Put(t.Context(), "manifest.json", []byte(`{"format_version":1,"added":[1.50]}`)); err != nil {
			t.Fatal(err)
		}
		if err := again.SetRebuiltWith(t.Context(), "hash"); err != nil {
			t.Fatal(err)
		}
		if m, err := l.Manifest(t.Context()); err != nil || m != (lake.Manifest{FormatVersion: 1, RebuiltWith: "hash"}) {
			t.Errorf("%+v, %v", m, err)
		}
		if data, _ := l.Read(t.Context(), "manifest.json"); !strings.Contains(string(data), `"added"`) {
			t.Errorf("%s", data)
		}
	})
}

func TestLakeRefused(t *testing.T) {
	f := func(files map[string]string, want string, is error) {
		t.Helper()
		store := openDir(t, t.TempDir())
		for key, data := range files {
			if err := store.Put(t.Context(), key, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		for _, open := range []func() error{
			func() error { _, err := lake.Create(t.Context(), store); return err },
			func() error { _, err := lake.Open(t.Context(), store); return err },
		} {
			err := open()
			if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) {
				t.Errorf("%v: %v, want %q", files, err, want)
			}
		}
	}
	f(map[string]string{"manifest.json": `{"format_version":2}`},
		"this lake is format version 2; this athenatrail knows 1: install a newer athenatrail", lake.ErrNewer)
	f(map[string]string{"manifest.json": `{}`}, "format_version 0", nil)
	f(map[string]string{"manifest.json": `<html>`}, "manifest.json", nil)
	f(map[string]string{"holiday.jpg": "x"}, `there are other files ("holiday.jpg") but no manifest.json`, lake.ErrNoLake)
}

// TestNewLakeConcurrently has several writers make the same new lake.
func TestNewLakeConcurrently(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		const writers = 6
		done := make(chan error)
		for i := range writers {
			go func() {
				l, err := lake.Create(t.Context(), open())
				if err == nil {
					p := home
					p.Date += athenatrail.Date(i)
					err = l.Mark(t.Context(), p, "run")
				}
				done <- err
			}()
		}
		for range writers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if keys := keysOf(t, open(), ""); len(keys) != writers+1 {
			t.Errorf("%q", keys)
		}
	})
}

func TestMarks(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		l, other := createLake(t, open()), createLake(t, open())
		marks := func() []lake.Marks {
			t.Helper()
			marks, err := l.Marks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return marks
		}
		mark := func(l *lake.Lake, p athenatrail.Partition, run string) {
			t.Helper()
			if err := l.Mark(t.Context(), p, run); err != nil {
				t.Error(err)
			}
		}
		if m := marks(); len(m) != 0 {
			t.Errorf("%v", m)
		}
		next, odd := home.On(home.Date+1), home
		odd.Account = "111122223333-a"
		mark(l, next, "run-a")
		mark(l, odd, "run-a")
		mark(l, home, "run-a")
		mark(other, home, "run-b")
		seen := marks()
		var got []string
		for _, m := range seen {
			got = append(got, m.Partition.String()+strings.Repeat("*", len(m.Keys)))
		}
		want := []string{"2024-05-13/111122223333_eu-west-1**", "2024-05-13/111122223333-a_eu-west-1*", "2024-05-14/111122223333_eu-west-1*"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}

		// A mark that a run leaves after its marks were seen survives their
		// removal.
		mark(l, home, "run-a")
		if err := l.Unmark(t.Context(), seen[0].Keys...); err != nil {
			t.Error(err)
		}
		if err := l.Unmark(t.Context(), seen[0].Keys...); err != nil {
			t.Errorf("removing marks twice: %v", err)
		}
		if m := marks(); len(m) != 3 || m[0].Partition != home || len(m[0].Keys) != 1 {
			t.Errorf("%v", m)
		}
		if err := l.Unmark(t.Context(), "manifest.json"); err == nil {
			t.Error("Unmark removes what is no mark")
		}
		for _, run := range []string{"", "a/b", "..", "a b"} {
			if err := l.Mark(t.Context(), home, run); err == nil {
				t.Errorf("run id %q was let through", run)
			}
		}
	})
}
