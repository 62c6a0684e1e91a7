package collect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

// The ways in: whether records come as log files, by messages of a queue or as
// pages of an API, the lake is the same.

// A memory is a source of log files in memory.
type memory struct {
	files  map[string]string
	order  []string
	opened func(n int) // told of the nth file opened

	mu sync.Mutex
	n  int
}

func newMemory(groups [][]string) *memory {
	m := &memory{files: map[string]string{}}
	for i, g := range groups {
		m.add(fmt.Sprintf("mem/111122223333_CloudTrail_eu-west-1_202605%02dT0000Z_%016d.json", 4+i%5, i), g)
	}
	return m
}

func (m *memory) add(key string, records []string) {
	m.files[key] = `{"Records":[` + strings.Join(records, ",") + `]}`
	m.order = append(m.order, key)
}

func (m *memory) Name() string { return "memory" }

func (m *memory) object(key string) source.Object {
	return source.NewObject(key, int64(len(m.files[key])), fmt.Sprintf("%x", len(m.files[key])))
}

func (m *memory) List(context.Context, source.Bounds) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for _, key := range m.order {
			if !yield(m.object(key), nil) {
				return
			}
		}
	}
}

func (m *memory) Open(_ context.Context, o source.Object) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	if m.opened != nil {
		m.opened(m.n)
	}
	return io.NopCloser(strings.NewReader(m.files[o.Key])), nil
}

// split gives each of n groups its part of the records, and the first some
// that others have too.
func split(records []string, n int) [][]string {
	groups := make([][]string, n)
	for i, r := range records {
		groups[i%n] = append(groups[i%n], r)
		if i%7 == 0 {
			groups[0] = append(groups[0], r)
		}
	}
	return groups
}

// over does one run with other ways in than a folder.
func over(t testing.TB, store lake.Store, change func(*collect.Options)) (*collect.Summary, error) {
	t.Helper()
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	o := collect.Options{
		Lake: l, Ledger: ledger.New(l), Settings: settings(t), Details: pinnedDetails{}, Jobs: 2, Now: now, Limits: cloudtrail.DefaultLimits,
		RunID: fmt.Sprintf("run-%d", runs.Add(1)),
	}
	change(&o)
	return collect.Run(t.Context(), o)
}

func mustBeReference(t *testing.T, store lake.Store) {
	t.Helper()
	if diff := cmp.Diff(reference(t), contents(t, store)); diff != "" {
		t.Errorf("lake (-of one file +got):\n%s", diff)
	}
}

// A paged feed hands over groups of records, three at a time, and breaks off
// before the page of that number.
type paged struct {
	groups  [][]string
	breakAt int // 0: does not
	known   map[int]bool
	mu      sync.Mutex
}

func (p *paged) Name() string { return "paged" }

func (p *paged) Read(ctx context.Context, store func(context.Context, source.Page) error) ([]source.FeedState, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(3)
	known := maps.Clone(p.known)
	for i, g := range p.groups {
		if known[i] {
			continue
		}
		if p.breakAt > 0 && i >= p.breakAt {
			group.Go(func() error { return errors.New("the API is gone") })
			break
		}
		group.Go(func() error {
			o := source.Object{Key: fmt.Sprintf("paged:%d", i), Account: "111122223333", Region: "eu-west-1", Delivered: now, ETag: "1"}
			if err := store(ctx, source.Page{Object: o, Body: []byte(`{"Records":[` + strings.Join(g, ",") + `]}`)}); err != nil {
				return err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.known[i] = true
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return []source.FeedState{
		{Name: "paged:1", Asked: now},
		{Name: "paged:2", Asked: now, Missed: now.Add(-time.Hour), Err: errors.New("access denied")},
	}, nil
}

// TestFeedGivesTheSameLake: pages of a feed that breaks off and goes on give
// the lake that a log file gives, and each page that was stored has its row in
// the ledger.
func TestFeedGivesTheSameLake(t *testing.T) {
	store := openDir(t, t.TempDir())
	feed := &paged{groups: split(records(), 9), breakAt: 5, known: map[int]bool{}}
	with := func(o *collect.Options) { o.Feeds = []source.Feed{feed} }
	if _, err := over(t, store, with); err == nil || !strings.Contains(err.Error(), "paged: ") {
		t.Fatalf("error %v of a feed that broke off", err)
	}
	rows := map[string]bool{}
	for f, err := range ledger.New(store).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows[f.Key] = true
	}
	for i := range feed.known {
		if !rows[fmt.Sprintf("paged:%d", i)] {
			t.Errorf("page %d was stored and has no row", i)
		}
	}
	feed.breakAt = 0
	sum, err := over(t, store, with)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Pages+int64(len(rows)) < 9 || sum.Read != 0 {
		t.Errorf("pages %d, log files %d", sum.Pages, sum.Read)
	}
	if len(sum.Problems) == 0 || !strings.Contains(strings.Join(sum.Problems, "\n"), "paged:2: access denied") {
		t.Errorf("problems %q", sum.Problems)
	}
	mustBeReference(t, store)
	sources, err := ledger.New(store).Sources(t.Context())
	if err != nil || len(sources) != 2 {
		t.Fatalf("sources %v, %v", sources, err)
	}
	if !sources[0].CompleteTo.Equal(now.Add(-15*time.Minute)) || !sources[1].CompleteTo.Equal(now.Add(-time.Hour)) {
		t.Errorf("complete to %v and %v", sources[0].CompleteTo, sources[1].CompleteTo)
	}
}

// An announced source is a queue over files in memory, a few each time.
type announced struct {
	*memory
	store    lake.Store
	next     int
	settled  map[string]int
	failed   map[string]error
	early    []string // settled before their row was in the ledger
	triggers []source.Trigger
	asked    []source.Trigger
}

func (q *announced) List(context.Context, source.Bounds) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for range 3 {
			if q.next == len(q.order) {
				return
			}
			o := q.object(q.order[q.next])
			q.next++
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (q *announced) Settle(ctx context.Context, o source.Object, err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.failed[o.Key] = err
		return nil
	}
	found := false
	for f, err := range ledger.New(q.store).All(ctx) {
		found = found || err == nil && f.Key == o.Key
	}
	if !found {
		q.early = append(q.early, o.Key)
	}
	q.settled[o.Key]++
	return nil
}

func (q *announced) Triggers() []source.Trigger {
	defer func() { q.triggers = nil }()
	return q.triggers
}

func (q *announced) Settled(_ context.Context, t source.Trigger, err error) error {
	q.asked = append(q.asked, t)
	return err
}

func (q *announced) More() bool { return q.next < len(q.order) }

// TestQueueGivesTheSameLake: what a queue announces is settled once it is in
// place and not before, also when it was announced twice, and the lake is that
// of one log file.
func TestQueueGivesTheSameLake(t *testing.T) {
	store := openDir(t, t.TempDir())
	q := &announced{memory: newMemory(split(records(), 10)), store: store, settled: map[string]int{}, failed: map[string]error{}}
	q.order = append(q.order, q.order[:4]...)
	for more := true; more; {
		sum, err := over(t, store, func(o *collect.Options) { o.Sources = []source.Source{q} })
		if err != nil {
			t.Fatal(err)
		}
		more = sum.More
	}
	if len(q.early) > 0 || len(q.failed) > 0 {
		t.Errorf("settled too early: %q; failed: %v", q.early, q.failed)
	}
	for i, key := range q.order[:10] {
		want := 1
		if i < 4 {
			want = 2
		}
		if q.settled[key] != want {
			t.Errorf("%s was settled %d times, want %d", key, q.settled[key], want)
		}
	}
	mustBeReference(t, store)
}

// An asking notes what is asked.
type asking struct {
	pinnedDetails
	mu  sync.Mutex
	ids map[string]int
}

func (a *asking) Of(ctx context.Context, account, region string) (collect.Asker, error) {
	asker, err := a.pinnedDetails.Of(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return noted{asker, a}, nil
}

type noted struct {
	collect.Asker
	in *asking
}

func (n noted) Details(ctx context.Context, now time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	n.in.mu.Lock()
	defer n.in.mu.Unlock()
	for _, w := range wanted {
		n.in.ids[w.ID]++
	}
	return n.Asker.Details(ctx, now, wanted)
}

// TestTriggersAreAskedNow: an execution that a message names is asked for
// before its start is in the trail, once, and its row is whole when the start
// comes.
func TestTriggersAreAskedNow(t *testing.T) {
	store := openDir(t, t.TempDir())
	const id = "11111111-2222-4333-8444-555555555507"
	at := firstStart(id).Add(time.Minute) // the day after the start
	asked := &asking{ids: map[string]int{}}
	q := &announced{memory: newMemory(nil), store: store, settled: map[string]int{}, failed: map[string]error{},
		triggers: []source.Trigger{
			{Account: "111122223333", Region: "eu-west-1", QueryExecutionID: id, At: at},
			{Account: "111122223333", Region: "eu-west-1", QueryExecutionID: id, At: at},
		}}
	with := func(o *collect.Options) { o.Sources, o.Details = []source.Source{q}, asked }
	sum, err := over(t, store, with)
	if err != nil {
		t.Fatal(err)
	}
	if asked.ids[id] != 1 || sum.Triggered != 1 || len(q.asked) != 2 {
		t.Errorf("asked %d times, triggered %d, settled %d", asked.ids[id], sum.Triggered, len(q.asked))
	}
	// Again, and nothing is asked: the answer was final.
	q.triggers = []source.Trigger{{Account: "111122223333", Region: "eu-west-1", QueryExecutionID: id, At: at}}
	if _, err := over(t, store, with); err != nil {
		t.Fatal(err)
	}
	if asked.ids[id] != 1 {
		t.Errorf("asked %d times", asked.ids[id])
	}
	// Then the trail. The lake is that of a run that was never triggered.
	q.memory = newMemory([][]string{records()})
	if _, err := over(t, store, with); err != nil {
		t.Fatal(err)
	}
	mustBeReference(t, store)
}

// TestStop: a run that is stopped stores what it has read and leaves the rest
// to the next, and says that it is not complete.
func TestStop(t *testing.T) {
	store := openDir(t, t.TempDir())
	stop := make(chan struct{})
	m := newMemory(split(records(), 12))
	m.opened = func(n int) {
		if n == 4 {
			close(stop)
		}
	}
	sum, err := over(t, store, func(o *collect.Options) { o.Sources, o.Stop, o.Jobs = []source.Source{m}, stop, 1 })
	if err != nil {
		t.Fatal(err)
	}
	if !sum.Stopped || sum.Read < 4 || sum.Read > 5 || sum.Left != 12-sum.Read {
		t.Errorf("stopped %v, read %d, left %d", sum.Stopped, sum.Read, sum.Left)
	}
	sum, err = over(t, store, func(o *collect.Options) { o.Sources = []source.Source{m} })
	if err != nil {
		t.Fatal(err)
	}
	if sum.Stopped || sum.Known < 4 || sum.Known+sum.Read != 12 {
		t.Errorf("stopped %v, known %d, read %d", sum.Stopped, sum.Known, sum.Read)
	}
	mustBeReference(t, store)
}

// TestListedInParts: more log files than are listed at once are all read, once.
func TestListedInParts(t *testing.T) {
	store := openDir(t, t.TempDir())
	m := newMemory(split(records(), 3))
	const empty = 50_000
	for i := range empty {
		m.add(fmt.Sprintf("mem/111122223333_CloudTrail_eu-west-1_20260512T0000Z_%016d.json", i), nil)
	}
	sum, err := over(t, store, func(o *collect.Options) { o.Sources = []source.Source{m} })
	if err != nil {
		t.Fatal(err)
	}
	if sum.Read != empty+3 || m.n != empty+3 {
		t.Errorf("read %d of %d, opened %d", sum.Read, empty+3, m.n)
	}
	mustBeReference(t, store)
}

// TestForesee: what a dry run says is what the run does, and it changes
// nothing.
func TestForesee(t *testing.T) {
	store := openDir(t, t.TempDir())
	m := newMemory(split(records(), 12))
	dry, err := over(t, store, func(o *collect.Options) { o.Sources, o.DryRun = []source.Source{m}, true })
	if err != nil {
		t.Fatal(err)
	}
	if files := contents(t, store); len(files) > 0 {
		t.Errorf("a dry run wrote %v", files)
	}
	sum, err := over(t, store, func(o *collect.Options) { o.Sources = []source.Source{m} })
	if err != nil {
		t.Fatal(err)
	}
	f := dry.Foreseen
	if dry.ToRead != sum.Read || dry.ToReadLen != sum.ReadLen || f.Executions != sum.Wanted || f.Sampled != 12 {
		t.Errorf("foresaw %+v of %d bytes; did %d files, %d bytes, %d executions", f, dry.ToReadLen, sum.Read, sum.ReadLen, sum.Wanted)
	}
	if f.Calls != 2 { // one in each of two accounts
		t.Errorf("foresaw %d calls", f.Calls)
	}
}

// TestForeseeFromASample: with more log files than are read for it, what is
// foreseen is within five hundredths.
func TestForeseeFromASample(t *testing.T) {
	store := openDir(t, t.TempDir())
	m := &memory{files: map[string]string{}}
	for i := range 3000 {
		var group []string
		for j := range 3 + i%5 { // busy hours and quiet ones
			n := i*10 + j
			when := time.Date(2026, 5, 12, i*24/3000, n%60, 0, 0, time.UTC)
			group = append(group, record(n, "111122223333", when, fmt.Sprintf("11111111-2222-4333-8444-%012d", n*10+5)))
		}
		m.add(fmt.Sprintf("mem/111122223333_CloudTrail_eu-west-1_20260512T%02d00Z_%016d.json", i*24/3000, i), group)
	}
	dry, err := over(t, store, func(o *collect.Options) { o.Sources, o.DryRun = []source.Source{m}, true })
	if err != nil {
		t.Fatal(err)
	}
	const starts = 3000 * 5 // on average
	if f := dry.Foreseen; f.Sampled > 400 || f.Executions < starts*95/100 || f.Executions > starts*105/100 || dry.ToRead != 3000 {
		t.Errorf("foresaw %+v of %d starts", f, starts)
	}
}

// TestFollow: what is delivered while it goes on is in the tables, a run that
// fails is followed by another, and it ends when it is told to.
func TestFollow(t *testing.T) {
	trail, dir := t.TempDir(), t.TempDir()
	store := openDir(t, dir)
	stop := make(chan struct{})
	var told []error
	rounds := 0
	options := func(ctx context.Context) (collect.Options, error) {
		if rounds++; rounds == 1 {
			return collect.Options{}, errors.New("no credentials yet")
		}
		l, err := lake.Create(ctx, store)
		if err != nil {
			return collect.Options{}, err
		}
		src, err := source.Parse(ctx, trail, source.Deps{})
		return collect.Options{Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Settings: settings(t), Details: pinnedDetails{}, Limits: cloudtrail.DefaultLimits, Now: now, RunID: fmt.Sprint("follow-", rounds)}, err
	}
	half := len(records()) / 2
	err := collect.Follow(t.Context(), stop, time.Millisecond, options, func(sum *collect.Summary, _ time.Duration, err error) {
		told = append(told, err)
		switch rounds {
		case 2:
			writeFiles(t, trail, [][]string{records()[:half]})
		case 4:
			writeFiles(t, trail, [][]string{nil, records()[half:]})
		case 6:
			close(stop)
		}
	})
	if err != nil || rounds != 6 {
		t.Errorf("ended after %d rounds with %v", rounds, err)
	}
	if told[0] == nil || told[5] != nil {
		t.Errorf("told %v", told)
	}
	mustBeReference(t, store)
	if entries, err := os.ReadDir(filepath.Join(dir, "_ledger", "v1", "dirty")); err == nil && len(entries) > 0 {
		t.Errorf("%d days are marked", len(entries))
	}
}
