package lake_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/lake"
)

// A counting store counts what is read.
type counting struct {
	lake.Store
	mu    sync.Mutex
	reads []string
	fail  string // a key that cannot be read
}

func (c *counting) Read(ctx context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	c.reads = append(c.reads, key)
	c.mu.Unlock()
	if key == c.fail {
		return nil, errors.New("cannot be read")
	}
	return c.Store.Read(ctx, key)
}

func (c *counting) List(ctx context.Context, prefix string) iter.Seq2[lake.File, error] {
	return c.Store.List(ctx, prefix)
}

func TestMirror(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		l := createLake(t, open())
		store := &counting{Store: open()}
		dir := filepath.Join(t.TempDir(), "cache", "of it")
		put := func(key, data string) {
			t.Helper()
			if err := l.Put(t.Context(), key, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		mirror := func(wantReads ...string) {
			t.Helper()
			store.reads = nil
			if err := lake.Mirror(t.Context(), store, dir); err != nil {
				t.Fatal(err)
			}
			slices.Sort(store.reads)
			// The boundary is looked at each time, before all else.
			store.reads = slices.DeleteFunc(store.reads, func(key string) bool { return key == "tables/boundary/boundary.parquet" })
			if len(store.reads) == 0 {
				store.reads = nil
			}
			if diff := cmp.Diff(wantReads, store.reads); diff != "" {
				t.Errorf("fetched: %s", diff)
			}
		}
		holds := func(want map[string]string) {
			t.Helper()
			got := map[string]string{}
			filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && !entry.IsDir() && entry.Name()[0] != '.' {
					data, _ := os.ReadFile(path)
					rel, _ := filepath.Rel(dir, path)
					got[filepath.ToSlash(rel)] = string(data)
				}
				return err
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		const manifest = "{\n  \"format_version\": 1\n}\n"
		put("tables/activity_open/dt=2024-05-13/1_a.parquet", "a")
		put("tables/activity_open/dt=2024-05-14/1_a.parquet", "b")
		put("facts/query_texts/dt=2024-05-13/1_a.parquet", "c")
		put("facts/events/dt=2024-05-13/1_a.parquet", "not for reports")
		put("_ledger/v1/dirty/2024-05-13/1_a/run", "")
		mirror("facts/query_texts/dt=2024-05-13/1_a.parquet", "manifest.json",
			"tables/activity_open/dt=2024-05-13/1_a.parquet", "tables/activity_open/dt=2024-05-14/1_a.parquet")
		holds(map[string]string{
			"manifest.json": manifest, "facts/query_texts/dt=2024-05-13/1_a.parquet": "c", "_ledger/v1/dirty/2024-05-13/1_a/run": "",
			"tables/activity_open/dt=2024-05-13/1_a.parquet": "a", "tables/activity_open/dt=2024-05-14/1_a.parquet": "b",
		})
		mirror()

		put("tables/activity_open/dt=2024-05-13/1_a.parquet", "a2")
		if err := errors.Join(
			l.Delete(t.Context(), "tables/activity_open/dt=2024-05-14/1_a.parquet"),
			l.Delete(t.Context(), "_ledger/v1/dirty/2024-05-13/1_a/run"),
			os.WriteFile(filepath.Join(dir, "tables", "stray.parquet"), []byte("x"), 0o666),
			os.Remove(filepath.Join(dir, "facts", "query_texts", "dt=2024-05-13", "1_a.parquet")),
		); err != nil {
			t.Fatal(err)
		}
		mirror("facts/query_texts/dt=2024-05-13/1_a.parquet", "tables/activity_open/dt=2024-05-13/1_a.parquet")
		after := map[string]string{
			"manifest.json": manifest, "facts/query_texts/dt=2024-05-13/1_a.parquet": "c",
			"tables/activity_open/dt=2024-05-13/1_a.parquet": "a2",
		}
		holds(after)

		// The mirror of a lake is a lake.
		if _, err := lake.Open(t.Context(), openDir(t, dir)); err != nil {
			t.Error(err)
		}

		// What cannot be fetched leaves the old file, and the rest counts.
		put("tables/activity_open/dt=2024-05-13/1_a.parquet", "a3")
		store.fail = "tables/activity_open/dt=2024-05-13/1_a.parquet"
		if err := lake.Mirror(t.Context(), store, dir); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%v", err)
		}
		holds(after)
		store.fail = ""
		mirror("tables/activity_open/dt=2024-05-13/1_a.parquet")

		// A lost index costs a fetch of all.
		if err := os.WriteFile(filepath.Join(dir, ".mirror.json"), []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
		mirror("facts/query_texts/dt=2024-05-13/1_a.parquet", "manifest.json", "tables/activity_open/dt=2024-05-13/1_a.parquet")
	})
}

// TestMirrorAtOnce mirrors into one folder several times at once.
func TestMirrorAtOnce(t *testing.T) {
	l := newLake(t)
	for _, key := range []string{"tables/a", "tables/b", "tables/c"} {
		if err := l.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := lake.Mirror(t.Context(), l, dir); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if keys := keysOf(t, openDir(t, dir), "tables/"); len(keys) != 3 {
		t.Errorf("%q", keys)
	}
}
