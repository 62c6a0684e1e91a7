package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// onEveryStore runs a test on a folder and on S3. Open opens the same store
// again, as another process would.
func onEveryStore(t *testing.T, test func(t *testing.T, open func() lake.Store)) {
	t.Run("disk", func(t *testing.T) {
		dir := t.TempDir() + "/made/by/the/first/write"
		test(t, func() lake.Store { return openDir(t, dir) })
	})
	t.Run("s3", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		// A neighbour whose name begins as the prefix does is not in it.
		server.Put(t, bucket, "some/prefix2/facts/x", []byte("neighbour"))
		test(t, func() lake.Store {
			store, err := lake.NewS3Store(server.NewClient(), bucket, "some/prefix/")
			if err != nil {
				t.Fatal(err)
			}
			return store
		})
	})
}

func openDir(t testing.TB, dir string) lake.Store {
	t.Helper()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func keysOf(t testing.TB, store lake.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	for file, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, file.Key)
	}
	return keys
}

func becomes(data string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(data), nil }
}

func TestStore(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		ctx, store := t.Context(), open()
		const key = "facts/events/dt=2024-05-13/111122223333_eu-west-1.parquet"

		if _, err := store.Read(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read of a missing file: %v", err)
		}
		if _, _, err := store.Tail(ctx, key, 8); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Tail of a missing file: %v", err)
		}
		if err := store.Delete(ctx, key); err != nil {
			t.Errorf("Delete of a missing file: %v", err)
		}
		if keys := keysOf(t, store, ""); len(keys) != 0 {
			t.Errorf("List of a new store: %q", keys)
		}

		var given [][]byte
		update := func(to []byte, end error) error {
			return store.Update(ctx, key, func(old []byte) ([]byte, error) {
				given = append(given, old)
				return to, end
			})
		}
		stop := errors.New("stop")
		if err := update([]byte("no"), stop); !errors.Is(err, stop) {
			t.Errorf("Update returned %v, want the error of change", err)
		}
		if err := update(nil, nil); err != nil {
			t.Error(err)
		}
		if err := update(nil, lake.ErrRemove); err != nil {
			t.Errorf("removing a missing file: %v", err)
		}
		if keys := keysOf(t, store, ""); len(keys) != 0 {
			t.Errorf("changes that write nothing made %q", keys)
		}
		if err := update([]byte("one"), nil); err != nil {
			t.Fatal(err)
		}
		if err := update([]byte("two"), nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]byte{nil, nil, nil, nil, []byte("one")}, given); diff != "" {
			t.Error(diff)
		}
		if data, err := open().Read(ctx, key); err != nil || string(data) != "two" {
			t.Errorf("Read = %q, %v", data, err)
		}
		for n, want := range map[int64]string{1: "o", 3: "two", 100: "two"} {
			if tail, size, err := store.Tail(ctx, key, n); err != nil || string(tail) != want || size != 3 {
				t.Errorf("Tail(%d) = %q, %d, %v", n, tail, size, err)
			}
		}

		// An update that changes nothing does not touch the file.
		before := files(t, store)
		for _, to := range [][]byte{nil, []byte("two")} {
			if err := update(to, nil); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(before, files(t, store)); diff != "" {
			t.Errorf("the file was written again: %s", diff)
		}

		if err := store.Update(ctx, key, becomes("three")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, files(t, store)); diff == "" {
			t.Error("another content, and the same ETag")
		}
		if err := store.Put(ctx, key, nil); err != nil {
			t.Error(err)
		}
		if data, err := store.Read(ctx, key); err != nil || data == nil || len(data) != 0 {
			t.Errorf("Read of an empty file = %#v, %v", data, err)
		}
		if tail, size, err := store.Tail(ctx, key, 8); err != nil || len(tail) != 0 || size != 0 {
			t.Errorf("Tail of an empty file = %q, %d, %v", tail, size, err)
		}
		err := store.Update(ctx, key, func(old []byte) ([]byte, error) {
			if old == nil {
				t.Error("change of an empty file was given nil")
			}
			return nil, lake.ErrRemove
		})
		if err != nil {
			t.Error(err)
		}
		if _, err := store.Read(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read of a removed file: %v", err)
		}
		if err := store.Put(ctx, key, []byte("again")); err != nil {
			t.Error(err)
		}
		if err := store.Delete(ctx, key); err != nil {
			t.Error(err)
		}
		if keys := keysOf(t, store, ""); len(keys) != 0 {
			t.Errorf("left: %q", keys)
		}
	})
}

func files(t *testing.T, store lake.Store) []lake.File {
	t.Helper()
	var files []lake.File
	for file, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func TestStoreKeys(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		ctx, store := t.Context(), open()
		for _, key := range []string{
			"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/./b", "a//b", "a/", "./a", "a/.hidden", ".tmp-1",
			"a\\b", "a\x00b", "a\nb", "a b", "C:/x", "a*", "ü", "_locks/00", "_locks",
			strings.Repeat("a", 201), strings.Repeat("a/", 500) + "a",
		} {
			calls := 0
			change := func([]byte) ([]byte, error) { calls++; return []byte("x"), nil }
			if err := store.Update(ctx, key, change); err == nil || calls > 0 {
				t.Errorf("Update(%q): %v, change called %d times", key, err, calls)
			}
			if err := store.Put(ctx, key, []byte("x")); err == nil {
				t.Errorf("Put(%q) was let through", key)
			}
			if _, err := store.Read(ctx, key); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Read(%q): %v", key, err)
			}
			if err := store.Delete(ctx, key); err == nil {
				t.Errorf("Delete(%q) was let through", key)
			}
		}
		for _, prefix := range []string{"../", "a/../", ".", "a\x00"} {
			for _, err := range store.List(ctx, prefix) {
				if err == nil {
					t.Errorf("List(%q) was let through", prefix)
				}
			}
		}
	})
}

// TestStoreList compares listings with a sorted slice, with names that sort
// otherwise as folders than as keys.
func TestStoreList(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		store := open()
		want := []string{
			"a-b/x", "a.b", "a/b", "a/b-c", "a0", "dt=2024-01-01/1_a", "dt=2024-01-01/1_a-b", "dt=2024-01-02/1_a",
			"facts/events/1", "facts/events-2/1", "facts/events.parquet", "manifest.json",
		}
		slices.Sort(want)
		for _, i := range rand.Perm(len(want)) {
			if err := store.Put(t.Context(), want[i], []byte(want[i])); err != nil {
				t.Fatal(err)
			}
		}
		for _, prefix := range []string{"", "a", "a/", "a/b", "dt=2024-01-01/", "dt=2024-01-0", "facts/events", "facts/events/", "facts/events/1", "none/", "none"} {
			var with []string
			for _, key := range want {
				if strings.HasPrefix(key, prefix) {
					with = append(with, key)
				}
			}
			if diff := cmp.Diff(with, slices.Clip(append([]string(nil), keysOf(t, store, prefix)...))); diff != "" {
				t.Errorf("List(%q): %s", prefix, diff)
			}
		}
		for file, err := range store.List(t.Context(), "a/b") {
			if err != nil || file.Size != int64(len(file.Key)) || file.ETag == "" || file.Modified.IsZero() {
				t.Errorf("%+v, %v", file, err)
			}
			break // the caller may stop
		}
	})
}

// TestStoreManyFiles lists more than one page of S3's.
func TestStoreManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("1,100 files")
	}
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		store := open()
		var wait sync.WaitGroup
		for worker := range 8 {
			wait.Go(func() {
				for i := worker; i < 1100; i += 8 {
					if err := store.Put(t.Context(), fmt.Sprintf("_ledger/v1/dirty/x/%04d", i), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		keys := keysOf(t, store, "_ledger/")
		if len(keys) != 1100 || !slices.IsSorted(keys) {
			t.Errorf("%d keys, sorted %v", len(keys), slices.IsSorted(keys))
		}
	})
}

// increment adds one to a counter.
func increment(old []byte) ([]byte, error) {
	n := 0
	if old != nil {
		var err error
		if n, err = strconv.Atoi(string(old)); err != nil {
			return nil, err
		}
	}
	return strconv.AppendInt(nil, int64(n+1), 10), nil
}

// TestStoreCounter lets goroutines of several stores count on the same key:
// no increment is lost.
func TestStoreCounter(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		const stores, goroutines, times = 3, 4, 8
		var wait sync.WaitGroup
		for range stores {
			store := open()
			for range goroutines {
				wait.Go(func() {
					for range times {
						if err := store.Update(t.Context(), "counter", increment); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wait.Wait()
		data, err := open().Read(t.Context(), "counter")
		if want := strconv.Itoa(stores * goroutines * times); err != nil || string(data) != want {
			t.Errorf("counter is %q, %v, want %s", data, err, want)
		}
	})
}

// TestStoreRemoveAndWrite has writers and removers in the same folders, which
// vanish with their last file.
func TestStoreRemoveAndWrite(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		var wait sync.WaitGroup
		for worker := range 4 {
			store := open()
			wait.Go(func() {
				key := fmt.Sprintf("_ledger/v1/dirty/2024-05-13/1_a/run-%d", worker)
				for range 25 {
					if err := store.Put(t.Context(), key, nil); err != nil {
						t.Error(err)
					}
					if err := store.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
				}
				if err := store.Put(t.Context(), key, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if keys := keysOf(t, open(), ""); len(keys) != 4 {
			t.Errorf("%q", keys)
		}
	})
}

// TestStoreReaders reads a file that is being replaced: never half of one.
func TestStoreReaders(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		const key = "facts/x"
		content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 1<<16+i) }
		writer, done := open(), make(chan struct{})
		if err := writer.Put(t.Context(), key, content(0)); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(done)
			for i := range 40 {
				if err := writer.Put(t.Context(), key, content(i)); err != nil {
					t.Error(err)
				}
			}
		}()
		reader := open()
		for reading := true; reading; {
			select {
			case <-done:
				reading = false
			default:
			}
			data, err := reader.Read(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if i := len(data) - 1<<16; i < 0 || !bytes.Equal(data, content(i)) {
				t.Fatalf("read %d bytes of several contents", len(data))
			}
		}
	})
}

func TestStoreCancelled(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		store := open()
		if err := store.Update(ctx, "a", becomes("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("Update: %v", err)
		}
		if _, err := store.Read(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
		for _, err := range store.List(ctx, "") {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("List: %v", err)
			}
		}
		if keys := keysOf(t, store, ""); len(keys) != 0 {
			t.Errorf("written all the same: %q", keys)
		}
	})
}
