package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

var (
	delivered = time.Date(2024, 5, 13, 12, 5, 0, 0, time.UTC)
	shard     = ledger.Shard{Account: "111122223333", Region: "eu-west-1", Day: athenatrail.DateOf(delivered), Known: true}
)

func onEveryStore(t *testing.T, test func(t *testing.T, open func() *ledger.Ledger, store lake.Store)) {
	t.Run("disk", func(t *testing.T) {
		dir := t.TempDir()
		open := func() lake.Store {
			store, err := lake.OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			return store
		}
		test(t, func() *ledger.Ledger { return ledger.New(open()) }, open())
	})
	t.Run("s3", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		open := func() lake.Store {
			store, err := lake.NewS3Store(server.NewClient(), bucket, "lake")
			if err != nil {
				t.Fatal(err)
			}
			return store
		}
		test(t, func() *ledger.Ledger { return ledger.New(open()) }, open())
	})
}

func file(shard ledger.Shard, key, etag string) ledger.File {
	return ledger.File{
		Shard: shard, Key: key, ETag: etag, Size: 4711, Delivered: delivered, DecoderVersion: 1, BytesInflated: 99_999, Closed: true,
		Records: 12, Candidates: 6, KeptEvents: 2, KeptSessionEvents: 1, KeptRoleSessions: 1, Dropped: 2, DroppedReasons: `{"service":2}`,
		Undecodable: 1, Problems: `[{"offset":17,"why":"eventTime"}]`, NewestEventTime: delivered.Add(-time.Minute),
	}
}

func all(t *testing.T, l *ledger.Ledger) []ledger.File {
	t.Helper()
	var files []ledger.File
	for f, err := range l.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func keys(t *testing.T, store lake.Store) []string {
	t.Helper()
	var keys []string
	for f, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, f.Key)
	}
	return keys
}

func TestLedger(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *ledger.Ledger, store lake.Store) {
		l := open()
		if got := all(t, l); len(got) != 0 {
			t.Errorf("%v", got)
		}
		next := shard
		next.Day++
		a, b, c := file(shard, "s3://logs/a", "1"), file(shard, "s3://logs/b", "1"), file(next, "s3://logs/c", "1")
		damaged := file(ledger.Shard{}, "/tmp/odd name.json", "1")
		damaged.Damage, damaged.Closed = "unexpected end of gzip", false
		if err := l.Record(t.Context(), []ledger.File{c, b, a, damaged}); err != nil {
			t.Fatal(err)
		}
		want := []ledger.File{a, b, c, damaged}
		if diff := cmp.Diff(want, all(t, open())); diff != "" {
			t.Error(diff)
		}
		wantKeys := []string{
			"_ledger/v1/111122223333/eu-west-1/2024-05-13.parquet", "_ledger/v1/111122223333/eu-west-1/2024-05-14.parquet",
			"_ledger/v1/other/79.parquet",
		}
		if diff := cmp.Diff(wantKeys, keys(t, store)); diff != "" {
			t.Error(diff)
		}

		known := func(k *ledger.Lookup, shard ledger.Shard, key, etag string, want bool) {
			t.Helper()
			if got, err := k.Known(t.Context(), shard, key, etag); got != want || err != nil {
				t.Errorf("Known(%s, %s) = %v, %v", key, etag, got, err)
			}
		}
		k := open().Lookup()
		known(k, shard, "s3://logs/a", "1", true)
		known(k, shard, "s3://logs/a", "2", false)
		known(k, shard, "s3://logs/a", "", false)
		known(k, shard, "s3://logs/c", "1", false)
		known(k, next, "s3://logs/c", "1", true)
		known(k, ledger.Shard{}, "/tmp/odd name.json", "1", true)
		known(k, ledger.Shard{}, "/tmp/other", "1", false)

		// A changed log file takes its old row's place.
		a.ETag, a.Candidates = "2", 7
		if err := l.Record(t.Context(), []ledger.File{file(shard, "s3://logs/a", "x"), a}); err != nil {
			t.Fatal(err)
		}
		want[0] = a
		if diff := cmp.Diff(want, all(t, l)); diff != "" {
			t.Error(diff)
		}
		known(k, shard, "s3://logs/a", "1", true) // it has read that shard before
		known(l.Lookup(), shard, "s3://logs/a", "2", true)
		if err := l.Record(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

// TestRecordAgain leaves files alone that would not change.
func TestRecordAgain(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *ledger.Ledger, store lake.Store) {
		l := open()
		files := []ledger.File{file(shard, "a", "1"), file(shard, "b", "1")}
		files[1].Delivered = delivered.Add(1234 * time.Microsecond) // stored in milliseconds
		list := func() (listed []lake.File) {
			if err := l.Record(t.Context(), files); err != nil {
				t.Fatal(err)
			}
			for f, err := range store.List(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				listed = append(listed, f)
			}
			return listed
		}
		if diff := cmp.Diff(list(), list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHostileNames(t *testing.T) {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(store)
	var files []ledger.File
	for i, name := range []string{"..", "../../etc", "a/b", "", "other", "dirty", "open", "source", "a\x00b", ".hidden", "x y", strings.Repeat("a", 300)} {
		files = append(files, file(ledger.Shard{Account: name, Region: "eu-west-1", Day: shard.Day, Known: true}, fmt.Sprint("a", i), "1"))
		files = append(files, file(ledger.Shard{Account: "111122223333", Region: name, Day: shard.Day, Known: true}, fmt.Sprint("b", i), "1"))
	}
	files = append(files, file(shard, "not \xff UTF-8", "1"))
	if err := l.Record(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys(t, store) {
		if !strings.HasPrefix(key, "_ledger/v1/other/") && key != "_ledger/v1/111122223333/eu-west-1/2024-05-13.parquet" {
			t.Errorf("%q", key)
		}
	}
	if got := all(t, l); len(got) != len(files) {
		t.Errorf("%d rows, want %d", len(got), len(files))
	}
	for problem := range l.Verify(t.Context()) {
		t.Error(problem)
	}
}

// TestConcurrentRuns has several runs record into the same shards at once.
func TestConcurrentRuns(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *ledger.Ledger, store lake.Store) {
		const runs, batches = 4, 5
		var wait sync.WaitGroup
		for run := range runs {
			l := open()
			wait.Go(func() {
				for batch := range batches {
					files := []ledger.File{
						file(shard, fmt.Sprintf("%d-%d", run, batch), "1"),
						file(shard, fmt.Sprintf("shared-%d", batch), "1"),
					}
					if err := l.Record(t.Context(), files); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		if got := all(t, open()); len(got) != runs*batches+batches {
			t.Errorf("%d rows, want %d", len(got), runs*batches+batches)
		}
	})
}

// TestLookupManyShards remembers fewer shards than there are, and of those
// whose files' names tell nothing all.
func TestLookupManyShards(t *testing.T) {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(store)
	var files []ledger.File
	for i := range 400 {
		s := shard
		s.Day += athenatrail.Date(i)
		files = append(files, file(s, fmt.Sprint(i), "1"))
	}
	if err := l.Record(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	k := l.Lookup()
	for range 2 {
		for _, f := range files {
			if known, err := k.Known(t.Context(), f.Shard, f.Key, "1"); !known || err != nil {
				t.Fatalf("%s: %v, %v", f.Key, known, err)
			}
		}
	}
}

func TestDamagedLedger(t *testing.T) {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(store)
	if err := store.Put(t.Context(), "_ledger/v1/111122223333/eu-west-1/2024-05-13.parquet", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(t.Context(), []ledger.File{file(shard, "a", "1")}); err == nil || !strings.Contains(err.Error(), "2024-05-13.parquet") {
		t.Errorf("Record: %v", err)
	}
	if _, err := l.Lookup().Known(t.Context(), shard, "a", "1"); err == nil {
		t.Error("Known: no error")
	}
	var last error
	for _, err := range l.All(t.Context()) {
		last = err
	}
	if last == nil {
		t.Error("All: no error")
	}
}

func TestVerify(t *testing.T) {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(store)
	good, bad := file(shard, "good", "1"), file(shard, "bad", "1")
	bad.Dropped++
	if err := l.Record(t.Context(), []ledger.File{good, bad, file(ledger.Shard{}, "x", "1")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for p := range l.Verify(t.Context()) {
		got = append(got, p.String())
	}
	want := []string{`_ledger/v1/111122223333/eu-west-1/2024-05-13.parquet: log file "bad" has 6 candidates, but 3 kept, 3 dropped and 1 undecodable`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSources(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *ledger.Ledger, store lake.Store) {
		l := open()
		at := func(minutes int) time.Time { return delivered.Add(time.Duration(minutes) * time.Minute) }
		completeTo := func(want time.Time) {
			t.Helper()
			got, known, err := open().CompleteTo(t.Context())
			if !got.Equal(want) || known == want.IsZero() || err != nil {
				t.Errorf("CompleteTo = %v, %v, %v, want %v", got, known, err, want)
			}
		}
		set := func(s ledger.Source) {
			t.Helper()
			if err := l.SetSource(t.Context(), s); err != nil {
				t.Error(err)
			}
		}
		completeTo(time.Time{})
		set(ledger.Source{Name: "s3://empty", UpdatedBy: "run-1"})
		completeTo(time.Time{})
		set(ledger.Source{Name: "s3://logs", NewestDelivered: at(60), UpdatedBy: "run-1"})
		completeTo(at(45))
		// A run over an older period does not take the newest away.
		set(ledger.Source{Name: "s3://logs", NewestDelivered: at(-600), UpdatedBy: "run-2"})
		completeTo(at(45))
		set(ledger.Source{Name: "s3://logs", Unread: 2, OldestUnread: at(50), UpdatedBy: "run-3"})
		completeTo(at(45))
		set(ledger.Source{Name: "s3://logs", Unread: 2, OldestUnread: at(30), UpdatedBy: "run-4"})
		completeTo(at(30))
		set(ledger.Source{Name: "/var/logs; rm -rf ..", NewestDelivered: at(40), UpdatedBy: "run-4"})
		completeTo(at(25))
		set(ledger.Source{Name: "/var/logs; rm -rf ..", NewestDelivered: at(100), UpdatedBy: "run-5"})
		completeTo(at(30))
		set(ledger.Source{Name: "s3://logs", UpdatedBy: "run-5"})
		completeTo(at(45))

		sources, err := l.Sources(t.Context())
		want := []ledger.Source{
			{Name: "/var/logs; rm -rf ..", NewestDelivered: at(100), CompleteTo: at(85), UpdatedBy: "run-5"},
			{Name: "s3://empty", UpdatedBy: "run-1"},
			{Name: "s3://logs", NewestDelivered: at(60), CompleteTo: at(45), UpdatedBy: "run-5"},
		}
		if diff := cmp.Diff(want, sources); err != nil || diff != "" {
			t.Error(err, diff)
		}

		// A damaged file does not stop a run.
		for _, key := range keys(t, store) {
			if err := store.Put(t.Context(), key, []byte("{")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Sources(t.Context()); err == nil {
			t.Error("a damaged file was read")
		}
		set(ledger.Source{Name: "s3://logs", NewestDelivered: at(60), UpdatedBy: "run-6"})
	})
}

// TestSourcesConcurrently: whatever the order of runs, the newest stays.
func TestSourcesConcurrently(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store, err := lake.OpenStore(t.TempDir())
		if err != nil {
			rt.Fatal(err)
		}
		l := ledger.New(store)
		minutes := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 4).Draw(rt, "minutes")
		newest := 0
		errs := make(chan error)
		for _, m := range minutes {
			newest = max(newest, m)
			go func() {
				errs <- l.SetSource(rt.Context(), ledger.Source{Name: "s", NewestDelivered: delivered.Add(time.Duration(m) * time.Minute)})
			}()
		}
		for range minutes {
			err = errors.Join(err, <-errs)
		}
		got, _, err2 := l.CompleteTo(rt.Context())
		if want := delivered.Add(time.Duration(newest-15) * time.Minute); err != nil || err2 != nil || !got.Equal(want) {
			rt.Errorf("%v, %v, %v, want %v", got, err, err2, want)
		}
	})
}
