package lookup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
	"github.com/athenatrail/athenatrail/internal/source"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	start   = "StartQueryExecution"
)

var (
	here  = lookup.Place{Account: account, Region: region}
	noon  = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	quick = lookuptest.Rate{PerSecond: 1e9, Burst: 1 << 30}
)

// event returns one of so many that differ by their number.
func event(name string, number int, at time.Time) lookuptest.Event {
	id := fmt.Sprintf("%s-%06d", name, number)
	record := fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","accountId":%q,"userName":"rosa"},"eventTime":%q,`+
		`"eventSource":"athena.amazonaws.com","eventName":%q,"awsRegion":%q,"eventID":%q,"recipientAccountId":%[1]q,"responseElements":{"queryExecutionId":%[5]q}}`,
		account, at.UTC().Format(time.RFC3339), name, region, id)
	e, err := lookuptest.ParseEvent([]byte(record))
	if err != nil {
		panic(err)
	}
	return e
}

// A bench is a feed between a server and a ledger, at a time that stands
// still until it is moved.
type bench struct {
	t       testing.TB
	server  *lookuptest.Server
	ledger  *ledger.Ledger
	now     time.Time
	options lookup.Options

	mu    sync.Mutex
	got   map[string]int          // how often each event was stored
	pages map[string]source.Page  // that are stored, by key
	store func(source.Page) error // comes first, one page at a time
	rows  []ledger.File           // of what is stored; they are in the ledger before the next feed is made
}

func newBench(t testing.TB, c lookuptest.Config, events ...lookuptest.Event) *bench {
	b := &bench{t: t, ledger: ledger.New(newMemory()), now: noon, got: map[string]int{}, pages: map[string]source.Page{}}
	if c.Caller == nil {
		c.Caller = func(key string) (lookuptest.Caller, bool) {
			account, ok := strings.CutPrefix(key, "AKIA")
			return lookuptest.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}, ok
		}
	}
	c.Now = func() time.Time { return b.now }
	server, err := lookuptest.Start(c, events...)
	if err != nil {
		t.Fatal(err)
	}
	b.server = server
	b.options = lookup.Options{
		Places: []lookup.Place{here}, Config: b.config, Ledger: b.ledger,
		From: noon.Add(-24 * time.Hour), Rate: 1e6, Lateness: time.Hour, Now: func() time.Time { return b.now },
	}
	return b
}

func (b *bench) config(_ context.Context, account, region string) (aws.Config, error) {
	return aws.Config{
		Region: region, BaseEndpoint: &b.server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIA"+account, "secret", ""),
	}, nil
}

// direct calls the server without a network, for tests of many calls.
func (b *bench) direct() *bench {
	b.options.Config = func(ctx context.Context, account, region string) (aws.Config, error) {
		cfg, err := b.config(ctx, account, region)
		cfg.HTTPClient = handled{b.server}
		return cfg, err
	}
	return b
}

type handled struct{ http.Handler }

func (h handled) Do(r *http.Request) (w *http.Response, err error) {
	defer func() {
		if recover() != nil {
			w, err = nil, errors.New("connection reset")
		}
	}()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder.Result(), r.Context().Err()
}

func (b *bench) feed() *lookup.Feed {
	b.t.Helper()
	if err := b.ledger.Record(b.t.Context(), b.rows); err != nil {
		b.t.Fatal(err)
	}
	b.rows = nil
	f, err := lookup.New(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// keep stores a page: it notes its row and its events.
func (b *bench) keep(_ context.Context, p source.Page) error {
	if b.store != nil {
		b.mu.Lock()
		err := b.store(p)
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
	var file struct{ Records []struct{ EventID string } }
	if err := json.Unmarshal(p.Body, &file); err != nil {
		return fmt.Errorf("page %s: %w", p.Key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages[p.Key] = p
	shard := ledger.Shard{Account: p.Account, Region: p.Region, Day: athenatrail.DateOf(p.Delivered), Known: true}
	b.rows = append(b.rows, ledger.File{Shard: shard, Key: p.Key, ETag: p.ETag, Delivered: p.Delivered})
	for _, r := range file.Records {
		b.got[r.EventID]++
	}
	return nil
}

// read reads a feed that nothing stops.
func (b *bench) read(f *lookup.Feed) []source.FeedState {
	b.t.Helper()
	states, err := f.Read(b.t.Context(), b.keep)
	if err != nil {
		b.t.Fatal(err)
	}
	return states
}

// whole is read, and has to come to the end everywhere.
func (b *bench) whole(f *lookup.Feed) {
	b.t.Helper()
	for _, s := range b.read(f) {
		if s.Err != nil || !s.Missed.IsZero() || s.Asked.IsZero() {
			b.t.Fatalf("%+v", s)
		}
	}
}

func (b *bench) wantAll(events []lookuptest.Event) {
	b.t.Helper()
	for _, e := range events {
		if b.got[e.ID] == 0 {
			b.t.Fatalf("event %s of %s is not stored; %d of %d are", e.ID, e.Time, len(b.got), len(events))
		}
	}
	if len(b.got) != len(events) {
		b.t.Fatalf("%d events stored, want %d", len(b.got), len(events))
	}
}

// day returns so many events, evenly over the last day.
func day(name string, count int) (events []lookuptest.Event) {
	for i := range count {
		events = append(events, event(name, i, noon.Add(-24*time.Hour+time.Duration(i)*24*time.Hour/time.Duration(count)).Truncate(time.Second)))
	}
	return events
}

// A memory is a store without a disk.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newMemory() lake.Store { return &memory{files: map[string][]byte{}} }

func (m *memory) Read(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data, ok := m.files[key]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) Tail(ctx context.Context, key string, n int64) ([]byte, int64, error) {
	data, err := m.Read(ctx, key)
	return data[max(0, int64(len(data))-n):], int64(len(data)), err
}

func (m *memory) Update(_ context.Context, key string, change func(old []byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := change(m.files[key])
	if err == nil && data != nil {
		m.files[key] = bytes.Clone(data)
	}
	return err
}

func (m *memory) Put(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = data
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, key)
	return nil
}

func (m *memory) List(_ context.Context, prefix string) iter.Seq2[lake.File, error] {
	return func(yield func(lake.File, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.files))
		m.mu.Unlock()
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) && !yield(lake.File{Key: key}, nil) {
				return
			}
		}
	}
}

func (m *memory) String() string { return "memory" }
