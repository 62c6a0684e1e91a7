package compact_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/compact"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

var (
	firstDay = athenatrail.DateOf(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))
	now      = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

// A world is a lake, and those who work on it.
type world struct {
	t     testing.TB
	store func() lake.Store
	b     *rebuild.Builder
}

func settings(t testing.TB) *derive.Settings {
	t.Helper()
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	table, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return &derive.Settings{Identity: people, Prices: table}
}

func onDisk(t testing.TB) func() lake.Store {
	dir := t.TempDir()
	return func() lake.Store {
		store, err := lake.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
}

func newWorld(t testing.TB, store func() lake.Store) *world {
	t.Helper()
	l, err := lake.Create(context.Background(), store())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, store, &rebuild.Builder{Lake: l, Settings: settings(t), Jobs: 2}}
}

// again is another process at the same lake.
func (w *world) again() *world { return newWorld(w.t, w.store) }

func (w *world) check(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// A call is one record of the trail.
type call struct {
	n       int
	account string
	region  string
	person  string
	day     athenatrail.Date
}

// calls are what properties are tried on: four accounts and regions, days and
// people, starts of queries and polls.
func calls(n int) (all []call) {
	for i := range n {
		all = append(all, call{
			n: i, account: []string{"111122223333", "444455556666"}[i%2], region: []string{"eu-west-1", "us-east-1"}[i/2%2],
			person: []string{"rosa", "milo", "ines"}[i%3], day: firstDay + athenatrail.Date(i/4%5),
		})
	}
	return all
}

func (c call) record() string {
	at := c.day.Time().Add(time.Duration(c.n*7%1400) * time.Minute).Format(time.RFC3339)
	name, answer := "StartQueryExecution", fmt.Sprintf(`{"queryExecutionId":"11111111-2222-4333-8444-%012d"}`, c.n)
	if c.n%5 == 4 {
		name, answer = "ListWorkGroups", "null"
	}
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":%q,"accountId":%q},"eventTime":%q,"eventSource":"athena.amazonaws.com","eventName":%q,"awsRegion":%q,"responseElements":%s,"eventID":"e-%06d","recipientAccountId":%q}`,
		c.person, c.account, at, name, c.region, answer, c.n, c.account)
}

// collect stores a call as collecting does: facts, then the mark.
func (w *world) collect(all ...call) {
	w.t.Helper()
	ctx := context.Background()
	for _, c := range all {
		_, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(strings.NewReader(c.record()), func(f *cloudtrail.Facts) error {
			home := f.Events[0].Home
			if _, err := lake.Merge(ctx, w.b.Lake, lake.Events, home, f.Events); err != nil {
				return err
			}
			return w.b.Lake.Mark(ctx, home, fmt.Sprintf("run-%d-%d", c.n, rand.Uint64()))
		})
		w.check(err)
	}
}

func (w *world) derive() {
	w.t.Helper()
	_, err := w.b.Marked(context.Background())
	w.check(err)
}

func (w *world) options(before athenatrail.Date) compact.Options {
	return compact.Options{Lake: w.b.Lake, Builder: w.b, RunID: fmt.Sprintf("compact-%d", rand.Uint64()), Now: now, Before: before, Grace: time.Hour, Jobs: 2}
}

func (w *world) compact(before athenatrail.Date) *compact.Result {
	w.t.Helper()
	r, err := compact.Run(context.Background(), w.options(before))
	w.check(err)
	return r
}

// tables returns every row of every table, by table, as text.
func (w *world) tables() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	w.check(dump(w.b.Lake, lake.Activity, all))
	w.check(dump(w.b.Lake, lake.QueryExecutions, all))
	w.check(dump(w.b.Lake, lake.Sessions, all))
	w.check(dump(w.b.Lake, lake.UsageRollup, all))
	w.check(dump(w.b.Lake, lake.TableRollup, all))
	return all
}

func dump[T any](l *lake.Lake, table *lake.Table[T], all map[string][]string) error {
	rows := []string{}
	err := lake.Scan(context.Background(), l, table, 0, 0, func(p athenatrail.Partition, row *T) error {
		rows = append(rows, p.String()+fmt.Sprintf(" %+v", *row))
		return nil
	})
	slices.Sort(rows)
	all[table.Name()] = rows
	return err
}

// files returns the contents of the files below a prefix.
func (w *world) files(prefix string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for file, err := range w.b.Lake.List(context.Background(), prefix) {
		w.check(err)
		data, err := w.b.Lake.Read(context.Background(), file.Key)
		w.check(err)
		all[file.Key] = string(data)
	}
	return all
}

// sound checks that the lake is as it should be.
func (w *world) sound() {
	w.t.Helper()
	for p := range lake.Verify(context.Background(), w.b.Lake, "") {
		w.t.Errorf("%s", p)
	}
	v, err := w.b.Verify(context.Background())
	w.check(err)
	for _, p := range v.Problems {
		w.t.Errorf("%s", p)
	}
}

// TestSameRowsAsNeverCompacting interleaves what happens to a lake, and
// compares with one that saw the same and was never compacted; and the bytes of
// closed files with those of a lake that was compacted once, at the end.
func TestSameRowsAsNeverCompacting(t *testing.T) {
	// Each takes seconds. The soak does them all.
	few := func(most int, check func(*rapid.T)) func(*rapid.T) {
		n := 0
		if testing.Short() {
			most = 1
		}
		return func(r *rapid.T) {
			if n++; n <= most || os.Getenv("ATHENATRAIL_SOAK") != "" {
				check(r)
			}
		}
	}
	t.Run("disk", func(t *testing.T) {
		rapid.Check(t, few(8, func(r *rapid.T) { interleave(t, r, onDisk(t)) }))
	})
	t.Run("S3", func(t *testing.T) {
		server := s3test.Start(t)
		rapid.Check(t, few(4, func(r *rapid.T) { interleave(t, r, onS3(t, server)) }))
	})
}

func interleave(t *testing.T, r *rapid.T, store func() lake.Store) {
	w, plain := newWorld(t, store), newWorld(t, onDisk(t))
	waiting := rapid.Permutation(calls(30)).Draw(r, "calls")
	before := firstDay
	for len(waiting) > 0 {
		switch rapid.IntRange(0, 7).Draw(r, "what") {
		case 0, 1, 2:
			n := rapid.IntRange(1, min(8, len(waiting))).Draw(r, "n")
			w.collect(waiting[:n]...)
			plain.collect(waiting[:n]...)
			waiting = waiting[n:]
		case 3:
			w.derive()
		case 4, 5:
			before = max(before, firstDay+athenatrail.Date(rapid.IntRange(0, 6).Draw(r, "before")))
			o := w.options(before)
			if rapid.Bool().Draw(r, "no grace") {
				o.Grace, o.Now = 0, time.Now().Add(time.Minute)
			}
			_, err := compact.Run(t.Context(), o)
			w.check(err)
		case 6:
			_, err := w.b.Stale(t.Context(), true)
			w.check(err)
		case 7:
			w = newWorld(t, store)
		}
	}
	person := rapid.SampledFrom([]string{"", "rosa", "milo"}).Draw(r, "forgotten")
	w.derive()
	plain.derive()
	for _, x := range []*world{w, plain} {
		if person == "" {
			break
		}
		result, err := forget.Run(t.Context(), forget.Options{Lake: x.b.Lake, Settings: x.b.Settings, Jobs: 2, RunID: "forget", Person: person})
		x.check(err)
		if len(result.Scan.Left) > 0 {
			t.Errorf("left: %v", result.Scan.Left)
		}
	}
	if diff := cmp.Diff(plain.tables(), w.tables()); diff != "" {
		t.Fatalf("rows (- never compacted): %s", diff)
	}
	w.sound()
	w.compact(firstDay + 9)
	plain.compact(firstDay + 9)
	if diff := cmp.Diff(keysAndSums(plain.files("tables/query_executions_closed/")), keysAndSums(w.files("tables/query_executions_closed/"))); diff != "" {
		t.Fatalf("closed files (- compacted once): %s", diff)
	}
	if !maps.Equal(plain.files("tables/activity_closed/"), w.files("tables/activity_closed/")) {
		t.Fatal("closed files of activity depend on what was done in which order")
	}
	w.sound()
}

func keysAndSums(files map[string]string) map[string]string {
	for key, data := range files {
		files[key] = athenatrail.HashText(data)
	}
	return files
}

// onS3 gives each a lake of its own.
func onS3(t *testing.T, server *s3test.Server) func() lake.Store {
	prefix := fmt.Sprintf("lake-%d", rand.Uint64())
	bucket := server.Bucket(t)
	return func() lake.Store {
		store, err := lake.NewS3Store(server.Client(), bucket, prefix)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
}

// TestSecondRunWritesNothing looks at every file, with its time.
func TestSecondRunWritesNothing(t *testing.T) {
	w := newWorld(t, onDisk(t))
	w.collect(calls(40)...)
	w.derive()
	r := w.compact(firstDay + 3)
	if r.Days != 3 || r.Rows == 0 || r.Held != 0 || r.Before != firstDay+3 {
		t.Errorf("%+v", r)
	}
	listed := func() (all []lake.File) {
		for file, err := range w.b.Lake.List(t.Context(), "") {
			w.check(err)
			all = append(all, file)
		}
		return all
	}
	was := listed()
	if r := w.compact(firstDay + 3); r.Days != 0 || r.Removed != 0 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(was, listed()); diff != "" {
		t.Error(diff)
	}
	// A late record rewrites its day's files and no other.
	w.collect(call{n: 9000, account: "111122223333", region: "eu-west-1", person: "rosa", day: firstDay + 1})
	w.derive()
	changed := map[string]bool{}
	old := map[string]string{}
	for _, f := range was {
		old[f.Key] = f.ETag
	}
	for _, f := range listed() {
		if strings.HasPrefix(f.Key, "tables/") && strings.Contains(f.Key, "_closed/") && old[f.Key] != f.ETag {
			changed[f.Key] = true
		}
	}
	for key := range changed {
		if !strings.Contains(key, "dt="+(firstDay+1).String()) {
			t.Errorf("written for a record of another day: %s", key)
		}
	}
	if len(changed) != 3 { // activity, query_executions, usage_rollup
		t.Errorf("written: %v", slices.Sorted(maps.Keys(changed)))
	}
	w.sound()
}

// TestNothingMissingNothingTwice reads all the while that others collect,
// compact and derive, in processes of their own, and never sees a row of a
// finished derive missing or any row twice. Files go after the grace of a
// reader's patience.
func TestNothingMissingNothingTwice(t *testing.T) {
	t.Run("disk", func(t *testing.T) { readAllTheWhile(t, onDisk(t)) })
	t.Run("S3", func(t *testing.T) { readAllTheWhile(t, onS3(t, s3test.Start(t))) })
}

func readAllTheWhile(t *testing.T, store func() lake.Store) {
	w := newWorld(t, store)
	old := calls(40)
	w.collect(old...)
	w.derive()
	always := map[string]bool{}
	for _, c := range old {
		always[fmt.Sprintf("e-%06d", c.n)] = true
	}
	var done atomic.Bool
	var group sync.WaitGroup
	start := func(do func(x *world, round int)) {
		x := w.again()
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; !done.Load(); round++ {
				do(x, round)
			}
		}()
	}
	read := func(x *world, _ int) {
		seen := map[string]int{}
		type row struct {
			ID string `parquet:"event_id"`
		}
		x.check(lake.Scan(context.Background(), x.b.Lake, lake.Activity, 0, 0, func(_ athenatrail.Partition, r *row) error {
			seen[r.ID]++
			return nil
		}))
		for id := range always {
			if seen[id] != 1 {
				x.t.Errorf("event %s is read %d times", id, seen[id])
				done.Store(true)
			}
		}
		for id, n := range seen {
			if n != 1 {
				x.t.Errorf("event %s is read %d times", id, n)
			}
		}
		// By partitions, as export and limits read.
		executions := int64(0)
		for file, err := range lake.Partitions(context.Background(), x.b.Lake, lake.UsageRollup, 0, 0) {
			x.check(err)
			for u, err := range lake.ReadAs[limit.Usage](context.Background(), x.b.Lake, lake.UsageRollup, file.Partition) {
				x.check(err)
				executions += u.Executions
			}
		}
		if executions < 32 {
			x.t.Errorf("%d executions, want at least 32", executions)
		}
	}
	start(read)
	start(read)
	for i := range 2 { // late records
		start(func(x *world, round int) {
			x.collect(call{n: 1000 + 1000*i + round, account: "111122223333", region: "eu-west-1", person: "milo", day: firstDay + athenatrail.Date(round%5)})
			x.derive()
		})
	}
	for range 2 { // two compactions at once
		start(func(x *world, round int) {
			_, err := compact.Run(context.Background(), x.options(firstDay+athenatrail.Date(min(1+round/2, 5))))
			x.check(err)
		})
	}
	time.Sleep(8 * time.Second)
	done.Store(true)
	group.Wait()
	w.derive()
	w.compact(firstDay + 5)
	w.sound()
	b, err := w.b.Lake.Boundary(t.Context())
	if err != nil || b.Before != firstDay+5 {
		t.Errorf("boundary %v, %v", b, err)
	}
}

// TestRetention keeps what it is to keep, removes the rest, and brings it back
// when it is kept again; rebuild and verify agree all the while.
func TestRetention(t *testing.T) {
	w := newWorld(t, onDisk(t))
	w.collect(calls(40)...)
	w.derive()
	whole := w.tables()
	run := func(keep map[string]athenatrail.Date) *compact.Result {
		t.Helper()
		o := w.options(firstDay + 4)
		o.KeepFrom = keep
		r, err := compact.Run(t.Context(), o)
		w.check(err)
		return r
	}
	// More than the closed days are never taken.
	r := run(map[string]athenatrail.Date{"activity": firstDay + 2, "usage_rollup": firstDay + 90})
	if r.Old == 0 {
		t.Errorf("%+v", r)
	}
	check := func() {
		t.Helper()
		got := w.tables()
		for name, from := range map[string]athenatrail.Date{"activity": firstDay + 2, "usage_rollup": firstDay + 4, "query_executions": 0} {
			want := slices.DeleteFunc(slices.Clone(whole[name]), func(row string) bool { return row < from.String() })
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		w.sound()
	}
	check()
	_, err := w.b.Stale(t.Context(), true)
	w.check(err)
	check()
	w.collect(call{n: 3, account: "444455556666", region: "us-east-1", person: "rosa", day: firstDay})
	w.derive()
	if got := w.tables()["activity"]; slices.ContainsFunc(got, func(row string) bool { return row < (firstDay + 2).String() }) {
		t.Error("a late record brings back a day that is not kept")
	}
	run(nil)
	w.derive()
	want := newWorld(t, onDisk(t))
	want.collect(calls(40)...)
	want.collect(call{n: 3, account: "444455556666", region: "us-east-1", person: "rosa", day: firstDay})
	want.derive()
	if diff := cmp.Diff(want.tables(), w.tables()); diff != "" {
		t.Errorf("kept again: %s", diff)
	}
	w.sound()
}

// TestDamageIsFound alters closed files.
func TestDamageIsFound(t *testing.T) {
	w := newWorld(t, onDisk(t))
	w.collect(calls(40)...)
	w.derive()
	w.compact(firstDay + 4)
	key := "tables/activity_closed/dt=" + firstDay.String() + "/all.parquet"
	other := "tables/activity_closed/dt=" + (firstDay + 1).String() + "/all.parquet"
	good, err := w.b.Lake.Read(t.Context(), key)
	w.check(err)
	strange, err := w.b.Lake.Read(t.Context(), other)
	w.check(err)
	for name, data := range map[string][]byte{
		"of another day": strange,
		"cut off":        good[:len(good)-1],
		"altered":        append(bytes.Clone(good[:200]), append([]byte{good[200] ^ 1}, good[201:]...)...),
	} {
		w.check(w.b.Lake.Put(t.Context(), key, data))
		found := false
		for p := range lake.Verify(t.Context(), w.b.Lake, "tables/") {
			found = found || p.Path == key
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
	w.check(w.b.Lake.Delete(t.Context(), key))
	v, err := w.b.Verify(t.Context())
	w.check(err)
	if len(v.Problems) == 0 {
		t.Error("a closed file that is gone is not found")
	}
	_, err = w.b.Stale(t.Context(), true)
	w.check(err)
	if again, err := w.b.Lake.Read(t.Context(), key); err != nil || !bytes.Equal(again, good) {
		t.Errorf("rebuild gives another file: %v", err)
	}
	w.sound()
}
